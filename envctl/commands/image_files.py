"""The files of an image or container, and of the base image below: from layers, or as the engine merges them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from envctl.commands.image_sources import Opened, settings_from, settings_of
from envctl.errors import InvalidFile, ToolFailed
from envctl.model.image import Base, Settings
from envctl.oci.contents import NOTHING, Contents, Wanted, read_image, read_lowest, read_saved
from envctl.oci.engine import Engine, EngineImage
from envctl.oci.layers import Layer
from envctl.oci.store import StoredImage
from envctl.oci.streams import stream_of
from envctl.oci.tar import Malformed
from envctl.oci.tree import Tree, merge

Layers = tuple[Layer, ...]
BaseLayers = Callable[[], Callable[[], Layers] | None]
"""Finds what reads the layers of the pinned base, each with its diff-id; None where they are not at hand."""


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        tree: the file system. `below`: that of the base's layers alone; None where the image does not stand on them.
        settings, diff_ids: of the image. `digest`: its manifest's, else its configuration's, or as the engine names it.
    """

    tree: Tree
    below: Tree | None
    settings: Settings
    diff_ids: tuple[str, ...]
    digest: str


def files_of(opened: Opened, base: Base | None, wanted: Wanted, base_layers: BaseLayers) -> Files:
    """Read the files.

    Where the layers can be opened one by one, they are, and merged here. Otherwise the engine is asked for the files as
    it merges them for whoever runs the image, and these are held against the base's own layers: that comes faster than
    what the engine saves, and shows what somebody changed in the engine's folders, too.

    Raises:
        InvalidFile: something is damaged, or not what its digest says.
        ToolFailed, IndexFailed: the engine or the registry failed.
    """
    if opened.source is not None and opened.container is None:
        # An engine unpacked what lies in its store, each layer against its diff-id: only the base's are computed anew.
        stored = isinstance(opened.source, StoredImage) and base is not None
        exact = len(base.diff_ids) if stored and base is not None else None
        return _layered(read_image(opened.source, wanted, exact=exact), base)
    engine, held = opened.engine, opened.held
    if engine is None or held is None:
        raise ValueError("an image without a source")
    below = _below(opened, held, base, base_layers)
    with contextlib.ExitStack() as stack:
        container = None if opened.container is None else opened.container.id
        if container is None and below is not None:
            with contextlib.suppress(ToolFailed):  # some let us look, and not make anything
                container = stack.enter_context(engine.unstarted(held.id))
        if container is None:
            return _layered(_saved(engine, held, opened, wanted), base)
        with ThreadPoolExecutor(1, "envctl-base") as beside:
            reading = beside.submit(below or (lambda: _saved(engine, held, opened, NOTHING).layers))
            tree = _export(engine, container, opened.name, wanted)
            layers = reading.result()
    count = 0 if base is None or not base.carries(held.diff_ids) else len(base.diff_ids)
    if base is not None and count and tuple(layer.diff_id for layer in layers[:count]) != base.diff_ids:
        raise InvalidFile("the engine's layers of the base image are not what it calls them", file=base.digest)
    source = opened.source
    return Files(
        tree=tree,
        below=_merged(layers[:count], opened.name) if count else None,
        settings=settings_from(held.config) if source is None else settings_of(source.config),
        diff_ids=held.diff_ids if source is None else source.config.diff_ids,
        digest=held.id if source is None else source.digest or source.config_digest,
    )


def _below(
    opened: Opened, held: EngineImage, base: Base | None, base_layers: BaseLayers
) -> Callable[[], Layers] | None:
    """What reads the base's layers, none where the image does not stand on them; None where they are not at hand."""
    if base is None or not base.carries(held.diff_ids):
        return tuple
    if opened.source is not None:
        return partial(read_lowest, opened.source, NOTHING, len(base.diff_ids))
    return base_layers()


def _layered(contents: Contents, base: Base | None) -> Files:
    below = None
    if base is not None and base.carries(contents.config.diff_ids):
        below = merge(contents.layers[: len(base.diff_ids)])
    return Files(
        tree=_merged(contents.layers, contents.name),
        below=below,
        settings=settings_of(contents.config),
        diff_ids=contents.config.diff_ids,
        digest=contents.digest or contents.config_digest,
    )


def _saved(engine: Engine, held: EngineImage, opened: Opened, wanted: Wanted) -> Contents:
    return read_saved(engine.save(held.id), opened.name, wanted, digest=held.id, platform=opened.platform)


def _export(engine: Engine, container: str, name: str, wanted: Wanted) -> Tree:
    try:
        with stream_of(engine.export(container)) as stream:
            layer = wanted.read(stream, diff_id=False, whole=True)
    except Malformed as error:
        raise InvalidFile(error.what, file=name, found=error.found) from error
    return _merged((layer,), name)


def _merged(layers: Sequence[Layer], name: str) -> Tree:
    try:
        return merge(layers)
    except Malformed as error:
        raise InvalidFile(error.what, file=name, found=error.found) from error
