"""Images and containers for `verify`: found in an engine, a registry or a file, and read to a picture."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from envctl.errors import EnvctlError, IndexFailed, ToolFailed, UsageError
from envctl.inventory import rooted
from envctl.inventory.bytecode import level_of, source_of
from envctl.inventory.inside import Pair, recompile_inside
from envctl.inventory.kept import keeps, packs
from envctl.inventory.processes import mounts_of, variables_of
from envctl.model.image import Base, Environment, Picture, Root, Settings
from envctl.model.inventory import Bytecode, Inventory
from envctl.model.lockfile import Lockfile
from envctl.oci.contents import Contents, Wanted, read_image, read_saved
from envctl.oci.engine import Engine, EngineContainer, EngineImage
from envctl.oci.interface import ImageSource
from envctl.oci.layers import Pack, read_layer
from envctl.oci.media import ImageConfig
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.oci.store import stored_image
from envctl.oci.streams import stream_of
from envctl.oci.tree import Tree, merge

Compile = Callable[[str, Mapping[str, Callable[[], Pair]]], dict[str, Bytecode]]
"""Executable in the base image, and pairs by path -> how each compares."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image or container is: exactly one of the first three.

    Attributes:
        image: a reference. `container`: a name or id. `archive`: a file or folder, with `:TAG` where it holds several.
        registry: read the image from its registry, whatever an engine here holds.
        prefix: the environment's folder in it, absolute; None finds what `python` starts.
    """

    image: str | None = None
    container: str | None = None
    archive: str | None = None
    registry: bool = False
    prefix: str | None = None

    @property
    def kind(self) -> str:
        """image, container or archive."""
        return "image" if self.image is not None else "container" if self.container is not None else "archive"

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.image or self.container or self.archive or ""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An image that can be read, before any layer of it was: so another platform's is not read at all.

    Exactly one of `source` and `saved` is there; the latter is an engine's image that only the engine can read.
    """

    name: str
    platform: str
    source: ImageSource | None = None
    saved: EngineImage | None = None
    engine: Engine | None = None
    container: EngineContainer | None = None


class Sources:
    """Opens images, and knows the pinned base: the engine and the registries are asked when they are first needed."""

    def __init__(self, environ: Mapping[str, str], *, offline: bool) -> None:
        from envctl.oci.cache import DocumentCache

        self._environ, self._offline = environ, offline
        self._stack = contextlib.ExitStack()
        self._registry = self._stack.enter_context(Registry(environ=environ, offline=offline, cache=DocumentCache()))
        self._engine: Engine | None = None

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def engine(self) -> Engine:
        """The engine; ToolFailed where there is none."""
        if self._engine is None:
            self._engine = self._stack.enter_context(Engine(self._environ))
        return self._engine

    def open(self, place: Place, platforms: tuple[str, ...]) -> Opened:
        """Find the image or container; of several platforms the first one of those that is there."""
        if place.archive is not None:
            return self._archive(place.archive, platforms)
        if place.container is not None:
            return self._container(place.container)
        return self._image(place.name, platforms, anew=place.registry)

    def _image(self, name: str, platforms: tuple[str, ...], *, anew: bool) -> Opened:
        missing = "it was not asked, because of --registry"
        if not anew:
            try:
                engine = self.engine()
                found = engine.image(name)
                if found is not None:
                    return self._held(engine, found, name)
                missing = "the engine has no such image"
            except ToolFailed as error:
                missing = error.what + (f" ({error.found})" if error.found else "")
        reference = Reference.parse(name)
        try:
            return _one_of(self._registry, reference, name, platforms)
        except IndexFailed as error:
            raise IndexFailed(
                error.what,
                file=error.file,
                key=error.key,
                found=error.found,
                expected=error.expected,
                details=[*error.details, f"engine:   {missing}"],
                hint=error.hint,
            ) from error

    def _held(self, engine: Engine, found: EngineImage, name: str) -> Opened:
        platform = _platform(found.os, found.architecture, found.variant)
        info = engine.info()
        stored = stored_image(info.root, name, found.id, platform) if info.containerd_store else None
        if stored is not None:
            return Opened(name=name, platform=platform, source=stored, engine=engine)
        return Opened(name=name, platform=platform, saved=found, engine=engine)

    def _container(self, name: str) -> Opened:
        engine = self.engine()
        container = engine.container(name)
        if container is None:
            raise UsageError("the engine has no such container", found=ascii(name), hint="`docker ps -a` lists them")
        image = engine.image(container.image)
        if image is None:
            raise ToolFailed(
                "the container's image is not in the engine any more", found=container.image, hint="run it anew"
            )
        opened = self._held(engine, image, container.image_name or container.image)
        return msgspec.structs.replace(opened, container=container)

    def _archive(self, name: str, platforms: tuple[str, ...]) -> Opened:
        from envctl.oci.layout import open_archive

        source = open_archive(name, platforms)
        config = source.config
        return Opened(name=name, platform=_platform(config.os, config.architecture, config.variant), source=source)

    def compiler(self, lockfile: Lockfile, platform: str) -> Compile | None:
        """What compiles with the pinned base image's own interpreter; None without a base or an engine."""
        image, pin = lockfile.envctl.image, lockfile.envctl.platforms.get(platform)
        if image is None or pin is None:
            return None
        name, _, said = image.base.partition("@")
        reference = f"{name}@{pin.base_digest or said}"

        def compiled(executable: str, pairs: Mapping[str, Callable[[], Pair]]) -> dict[str, Bytecode]:
            try:
                engine = self.engine()
                if engine.image(reference) is None:
                    if self._offline:
                        return {}
                    engine.pull(reference)
                return recompile_inside(pairs, partial(engine.converse, reference, executable))
            except ToolFailed:
                return {}  # what could not be compared is said to be so

        return compiled

    def base(self, lockfile: Lockfile, platform: str) -> tuple[Base | None, str]:
        """The pinned base image, and why it is not known where it is not."""
        image, pin = lockfile.envctl.image, lockfile.envctl.platforms.get(platform)
        if image is None or pin is None:
            return None, "the lockfile pins none"
        name, _, said = image.base.partition("@")
        digest = pin.base_digest or said
        reference = f"{name}@{digest}"
        try:
            config = self._registry.image(Reference.parse(reference), platform).config
            return Base(digest=digest, diff_ids=pin.diff_ids or config.diff_ids, settings=settings_of(config)), ""
        except EnvctlError as error:
            why = " ".join(part for part in (error.what, error.found or "") if part)
        with contextlib.suppress(EnvctlError):
            held = self.engine().image(reference)
            if held is not None:
                settings = settings_from(held.config)
                return Base(digest=digest, diff_ids=pin.diff_ids or held.diff_ids, settings=settings), ""
        if pin.diff_ids:
            return Base(digest=digest, diff_ids=pin.diff_ids), ""
        return None, why


def _one_of(registry: Registry, reference: Reference, name: str, platforms: tuple[str, ...]) -> Opened:
    """The image of the first platform that the registry has; where it has none of them, whatever it has."""
    for platform in platforms:
        with contextlib.suppress(IndexFailed):
            return Opened(name=name, platform=platform, source=registry.image(reference, platform))
    source = registry.image(reference, None)
    config = source.config
    return Opened(name=name, platform=_platform(config.os, config.architecture, config.variant), source=source)


def _platform(os: str, architecture: str, variant: str) -> str:
    if (architecture, variant) == ("arm64", "v8"):
        variant = ""  # the only one there is
    return "/".join(part for part in (os, architecture, variant) if part)


def settings_of(config: ImageConfig) -> Settings:
    """The settings of an image's configuration."""
    return Settings(
        env=_variables(config.env),
        entrypoint=tuple(config.entrypoint),
        command=tuple(config.cmd),
        user=config.user,
        workdir=config.workdir,
        labels=config.labels,
    )


def settings_from(config: Mapping[str, object]) -> Settings:
    """The settings as the Engine API tells them."""
    return Settings(
        env=_variables(_texts(config.get("Env"))),
        entrypoint=_texts(config.get("Entrypoint")),
        command=_texts(config.get("Cmd")),
        user=str(config.get("User") or ""),
        workdir=str(config.get("WorkingDir") or ""),
        labels=config.get("Labels") if isinstance(config.get("Labels"), dict) else {},  # type: ignore[arg-type]
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _variables(entries: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


@contextlib.contextmanager
def taken(
    opened: Opened, place: Place, base: tuple[Base | None, str], compiler: Compile | None = None
) -> Iterator[Picture]:
    """Read all of it; nothing of it is run. What the picture's inventory names on disk is gone afterwards.

    `compiler` compares bytecode for which this machine has no interpreter; None where there is none.
    """
    with contextlib.ExitStack() as stack:
        pack = Pack()
        stack.callback(pack.close)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envctl-")))
        wanted = Wanted(keep=keeps, packs=packs, pack=pack)
        contents = _contents(opened, wanted)
        tree = merge(contents.layers)
        known, unknown = base
        below: Tree | None = None
        if known is not None and contents.config.diff_ids[: len(known.diff_ids)] == known.diff_ids:
            below = merge(contents.layers[: len(known.diff_ids)])
        settings = settings_of(contents.config)
        added: frozenset[str] = frozenset()
        mounts: tuple[str, ...] = ()
        processes: Mapping[int, Mapping[str, str]] | None = {}
        container, engine = opened.container, opened.engine
        if container is not None and engine is not None:
            image, tree = tree, _exported(engine, container, wanted)
            added = frozenset(path for path, entry in tree.entries.items() if image.entries.get(path) != entry)
            own = settings_from(container.config)
            settings = msgspec.structs.replace(
                own, entrypoint=settings.entrypoint, command=settings.command, labels=settings.labels
            )
            mounts = mounts_of(container)
            processes = variables_of(engine, container)
        root = Root(entries=tree.entries, below={} if below is None else below.entries, texts=tree.texts, added=added)
        environment = rooted.locate(tree, settings, place.prefix)
        inventory = _inventory(tree, root, settings, environment, pack=pack, scratch=scratch, mounts=mounts)
        if inventory is not None and compiler is not None and Bytecode.UNKNOWN in inventory.bytecode.values():
            inventory = _recompiled(inventory, tree, pack, compiler)
        yield Picture(
            platform=opened.platform,
            digest=contents.digest or contents.config_digest,
            settings=settings,
            diff_ids=contents.config.diff_ids,
            base=known,
            base_unknown=unknown,
            root=root,
            environment=environment,
            others=_others(tree, below, environment),
            mounts=mounts,
            processes=processes,
            inventory=inventory,
        )


def _recompiled(inventory: Inventory, tree: Tree, pack: Pack, compiler: Compile) -> Inventory:
    """The inventory with what the base image's own interpreter says of bytecode that no other could compare."""
    start = f"{inventory.root.lstrip('/')}/"
    pairs: dict[str, Callable[[], Pair]] = {}
    for path, status in inventory.bytecode.items():
        source = source_of(path)
        places = tree.packed.get(start + path), tree.packed.get(start + source)
        if status is Bytecode.UNKNOWN and places[0] is not None and places[1] is not None:
            pairs[path] = partial(_pair, pack, places[0], places[1], f"/{start}{source}", level_of(path))
    executable = next(iter(inventory.interpreter.executables), None)
    found = {} if executable is None else compiler(executable, pairs)
    return msgspec.structs.replace(inventory, bytecode={**inventory.bytecode, **found})


def _pair(pack: Pack, pyc: tuple[int, int], source: tuple[int, int], path: str, level: int) -> Pair:
    return Pair(pack.read(*pyc), pack.read(*source), path, level)


def _contents(opened: Opened, wanted: Wanted) -> Contents:
    if opened.source is not None:
        return read_image(opened.source, wanted)
    if opened.engine is None or opened.saved is None:
        raise ValueError("an image without a source")
    saved = opened.saved
    pieces = opened.engine.save(saved.id)
    return read_saved(pieces, opened.name, wanted, digest=saved.id, platform=opened.platform)


def _exported(engine: Engine, container: EngineContainer, wanted: Wanted) -> Tree:
    """The container's files as they are now: what its image has, and what was written over it."""
    with stream_of(engine.export(container.id)) as stream:
        layer = read_layer(stream, keep=wanted.keep, pack=wanted.pack, packs=wanted.packs)
    return merge([layer])


def _others(tree: Tree, below: Tree | None, environment: Environment | None) -> tuple[str, ...]:
    known = set() if below is None else set(rooted.environments(below))
    own = None if environment is None else environment.prefix
    return tuple(prefix for prefix in rooted.environments(tree) if prefix not in known and prefix != own)


def _inventory(
    tree: Tree,
    root: Root,
    settings: Settings,
    environment: Environment | None,
    *,
    pack: Pack,
    scratch: Path,
    mounts: tuple[str, ...],
) -> Inventory | None:
    if environment is None or environment.site is None:
        return None
    found = rooted.take(tree, root, settings, environment, descriptor=pack.fileno(), scratch=scratch)
    inside = tuple(m.removeprefix(found.root + "/") for m in mounts if m.startswith(found.root + "/"))
    return msgspec.structs.replace(found, mounts=inside)
