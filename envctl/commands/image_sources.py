"""Where images and containers are found for `verify`: in an engine, a registry or a file; and the pinned base."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from envctl.commands.image_parts import base_reference, held_base
from envctl.errors import EnvctlError, IndexFailed, ToolFailed, UsageError
from envctl.inventory.inside import Pair, recompile_inside
from envctl.model.image import Base, Settings
from envctl.model.inventory import Bytecode
from envctl.model.lockfile import Lockfile
from envctl.oci.cache import DocumentCache
from envctl.oci.contents import NOTHING, read_image, read_saved
from envctl.oci.engine import Engine, EngineContainer, EngineImage
from envctl.oci.interface import ImageSource
from envctl.oci.layers import Layer
from envctl.oci.layout import Layout
from envctl.oci.media import ImageConfig
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.oci.store import stored_image

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

    Attributes:
        source: what its layers are read from; None for an engine's image that only the engine can read.
        held: what the engine says of an image that it holds.
        container: the container whose image this is.
    """

    name: str
    platform: str
    source: ImageSource | None = None
    held: EngineImage | None = None
    engine: Engine | None = None
    container: EngineContainer | None = None


class Sources:
    """Opens images, and knows the pinned base: the engine and the registries are asked when they are first needed."""

    def __init__(
        self, project: Path, environ: Mapping[str, str], *, offline: bool, fetched: Path | None = None
    ) -> None:
        self._project, self._environ, self._offline, self._fetched = project, environ, offline, fetched
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
            return Opened(name=name, platform=platform, source=stored, held=found, engine=engine)
        return Opened(name=name, platform=platform, held=found, engine=engine)

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
        path, image = _file_and_name(self._project, name)
        layout = self._stack.enter_context(Layout(path, name))
        for platform in platforms:
            with contextlib.suppress(UsageError):
                return Opened(name=name, platform=platform, source=layout.image(platform, image))
        source = layout.image(None, image)
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
        with contextlib.suppress(EnvctlError):  # a damaged one counts as none
            carried = None if self._fetched is None else held_base(lockfile, platform, self._fetched)
            if carried is not None:
                config = carried.config
                return Base(digest=digest, diff_ids=pin.diff_ids or config.diff_ids, settings=settings_of(config)), ""
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

    def base_layers(self, lockfile: Lockfile, platform: str) -> Callable[[], tuple[Layer, ...]] | None:
        """What reads the layers of the pinned base, each with its diff-id: of the fetched folder, or the engine.

        None where it is in neither. What is returned may be called in another thread.
        """
        reference = base_reference(lockfile, platform)
        if reference is None:
            return None
        name = reference.familiar()
        with contextlib.suppress(EnvctlError):  # a damaged one counts as none
            carried = None if self._fetched is None else held_base(lockfile, platform, self._fetched)
            if carried is not None:
                return partial(_layers_in, carried.place, name)
            engine = self.engine()
            held = engine.image(name)
            if held is None and not self._offline:
                engine.pull(name)  # its layers are there, since the image stands on them: that makes them readable
                held = engine.image(name)
            if held is not None:
                return partial(_layers_saved, engine, held.id, name, platform)
        return None


def _layers_in(place: Path, name: str) -> tuple[Layer, ...]:
    with Layout(place, name) as layout:
        return read_image(layout.image(None), NOTHING).layers


def _layers_saved(engine: Engine, digest: str, name: str, platform: str) -> tuple[Layer, ...]:
    return read_saved(engine.save(digest), name, NOTHING, digest=digest, platform=platform).layers


def _file_and_name(project: Path, name: str) -> tuple[Path, str | None]:
    """A file or folder, and the image's name after a colon; UsageError where there is no such file."""
    at = len(name)
    while at >= 0:
        if at > 0 and (project / name[:at]).exists():
            return project / name[:at], name[at + 1 :] or None
        at = name.rfind(":", 0, at)
    raise UsageError("there is no such file or folder", file=name, expected="FILE, or FILE:NAME of an image in it")


def _one_of(registry: Registry, reference: Reference, name: str, platforms: tuple[str, ...]) -> Opened:
    """The image of the first platform that the registry has; where it has none of them, whatever it has."""
    reference = reference.at(registry.resolve(reference).descriptor.digest)  # a tag is asked for once
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
