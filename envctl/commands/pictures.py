"""An image or container, read to a picture: from outside, without running anything of it; or by its own interpreter."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from envctl.commands.image_files import BaseLayers, files_of
from envctl.commands.image_sources import Compile, Opened, Place, settings_from
from envctl.errors import ToolFailed, UsageError
from envctl.inventory import probed, rooted
from envctl.inventory.bytecode import level_of, source_of
from envctl.inventory.inside import Pair
from envctl.inventory.kept import keeps, packs
from envctl.inventory.processes import USUAL, mounts_of, variables_of
from envctl.model.image import STANDALONE, Base, Environment, Picture, Root, Settings
from envctl.model.inventory import Bytecode, Inventory
from envctl.oci.contents import Wanted
from envctl.oci.engine import EngineContainer
from envctl.oci.layers import Pack
from envctl.oci.tree import Tree


@contextlib.contextmanager
def taken(
    opened: Opened,
    place: Place,
    base: tuple[Base | None, str],
    *,
    base_layers: BaseLayers = lambda: None,
    compiler: Compile | None = None,
    build: Mapping[str, str] | None = None,
) -> Iterator[Picture]:
    """Read all of it; nothing of it is run. What the picture's inventory names on disk is gone afterwards.

    Args:
        base_layers: reads the pinned base's own layers.
        compiler: compares bytecode for which this machine has no interpreter; None where there is none.
        build: files of the pinned standalone build of Python; None where none is pinned, or it is not at hand.
    """
    with contextlib.ExitStack() as stack:
        pack = Pack()
        stack.callback(pack.close)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="envctl-")))
        wanted = Wanted(keep=keeps, packs=packs, pack=pack)
        read = files_of(opened, base[0], wanted, base_layers)
        tree, below, settings = read.tree, read.below, read.settings
        mounts: tuple[str, ...] = ()
        processes: Mapping[int, Mapping[str, str]] | None = {}
        if opened.container is not None and opened.engine is not None:
            settings = _started(opened.container, settings)
            mounts = mounts_of(opened.container)
            processes = variables_of(opened.engine, opened.container)
        root = Root(
            entries=tree.entries,
            below={} if below is None else below.entries,
            texts=tree.texts,
            build=build or {},
        )
        environment = rooted.locate(tree, settings, place.prefix)
        inventory = _inventory(tree, root, settings, environment, pack=pack, scratch=scratch, mounts=mounts)
        bytecode: Mapping[str, Bytecode] = {}
        if inventory is not None:
            bytecode = rooted.elsewhere(tree, root, inventory, descriptor=pack.fileno())
            inventory, bytecode = _recompiled(inventory, bytecode, tree, pack, compiler)
        yield Picture(
            platform=opened.platform,
            digest=read.digest,
            settings=settings,
            diff_ids=read.diff_ids,
            base=base[0],
            base_unknown=base[1],
            root=root,
            environment=environment,
            others=_others(root, tree, below, environment),
            mounts=mounts,
            processes=processes,
            inventory=inventory,
            bytecode=bytecode,
        )


def _recompiled(
    inventory: Inventory, elsewhere: Mapping[str, Bytecode], tree: Tree, pack: Pack, compiler: Compile | None
) -> tuple[Inventory, Mapping[str, Bytecode]]:
    """Both with what the base image's own interpreter says of bytecode that no other could compare."""
    start = f"{inventory.root.lstrip('/')}/"
    known = {**{start + path: status for path, status in inventory.bytecode.items()}, **elsewhere}
    pairs: dict[str, Callable[[], Pair]] = {}
    for path, status in known.items():
        source = source_of(path)
        places = tree.packed.get(path), tree.packed.get(source)
        if status is Bytecode.UNKNOWN and places[0] is not None and places[1] is not None:
            pairs[path] = partial(_pair, pack, places[0], places[1], f"/{source}", level_of(path))
    executable = next(iter(inventory.interpreter.executables), None)
    if not pairs or compiler is None or executable is None:
        return inventory, elsewhere
    known |= compiler(executable, pairs)
    own = {path: known[start + path] for path in inventory.bytecode}
    return msgspec.structs.replace(inventory, bytecode=own), {path: known[path] for path in elsewhere}


def _pair(pack: Pack, pyc: tuple[int, int], source: tuple[int, int], path: str, level: int) -> Pair:
    return Pair(pack.read(*pyc), pack.read(*source), path, level)


def _others(root: Root, tree: Tree, below: Tree | None, environment: Environment | None) -> tuple[str, ...]:
    """Prefixes of environments that neither the base nor the pinned build of Python brought."""
    known = set() if below is None else set(rooted.environments(below))
    known |= {STANDALONE} if root.build else set()
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


def ask_inside(opened: Opened, place: Place, environment: Environment | None = None) -> probed.Seen | None:
    """What an isolated interpreter of the image sees, in a container that reaches nothing; None where there is none.

    Args:
        environment: where the environment is known to be; None: what `python` starts.

    Raises:
        ToolFailed: the engine failed, or the interpreter did not answer.
    """
    engine = opened.engine
    if engine is None or opened.held is None:
        raise UsageError(
            "only an engine can start an interpreter inside", found=place.name, expected="an image of the engine here"
        )
    prefix = f"/{environment.prefix}" if environment is not None else (place.prefix or "")
    executable = f"{prefix}/bin/python" if prefix else "python"
    if environment is not None and not environment.venv:
        executable = f"/{environment.executable}"
    try:
        if opened.container is not None:
            question = probed.question(prefix)
            answer = engine.converse_in(opened.container.id, [executable, *probed.arguments()], question)
        else:
            answer = engine.converse(opened.held.id, executable, probed.arguments(), probed.question(prefix), user="0")
    except ToolFailed as error:
        if re.search(r"executable file not found|no such file or directory", error.found or ""):
            return None
        raise
    return probed.parse(answer)


@contextlib.contextmanager
def told(opened: Opened, place: Place, base: tuple[Base | None, str]) -> Iterator[Picture]:
    """The picture that the interpreter inside gives; the layers are known by the engine's word."""
    seen = ask_inside(opened, place)
    found = opened.held
    if found is None:
        raise ValueError("an image that no engine holds")
    settings = settings_from(found.config)
    processes: Mapping[int, Mapping[str, str]] | None = {}
    if opened.container is not None and opened.engine is not None:
        settings, processes = _started(opened.container, settings), variables_of(opened.engine, opened.container)
    environment: Environment | None = None
    inventory: Inventory | None = None
    mounts: tuple[str, ...] = ()
    if seen is not None:
        mounts = tuple(m for m in seen.mounts if not USUAL.fullmatch(m)) if opened.container is not None else ()
        root = Root(entries=seen.tree.entries, below={}, texts=seen.tree.texts)
        environment = rooted.locate(seen.tree, settings, seen.prefix)
        if environment is not None and environment.site is not None:
            start = f"{environment.prefix}/"
            outside = {path: entry for path, entry in root.entries.items() if not path.startswith(start)}
            trusted = msgspec.structs.replace(root, below=outside)
            with tempfile.TemporaryDirectory(prefix="envctl-") as scratch:
                inventory = rooted.take(seen.tree, trusted, settings, environment, scratch=Path(scratch))
            said = msgspec.structs.replace(
                inventory.interpreter, version=seen.version, implementation=seen.implementation, asked=True
            )
            problems = tuple(
                msgspec.structs.replace(problem, path=problem.path.removeprefix(start)) for problem in seen.problems
            )
            inside = tuple(m.removeprefix(inventory.root + "/") for m in mounts if m.startswith(inventory.root + "/"))
            inventory = msgspec.structs.replace(inventory, interpreter=said, problems=problems, mounts=inside)
    known, unknown = base
    yield Picture(
        platform=opened.platform,
        digest=found.id,
        settings=settings,
        diff_ids=found.diff_ids,
        base=known,
        base_unknown=unknown,
        root=None,
        environment=environment,
        inventory=inventory,
        mounts=mounts,
        processes=processes,
    )


def _started(container: EngineContainer, image: Settings) -> Settings:
    """A container's settings. What it was started to do is whoever started it's business; labels are the image's."""
    own = settings_from(container.config)
    return msgspec.structs.replace(own, entrypoint=image.entrypoint, command=image.command, labels=image.labels)


def disagreements(outside: Inventory, inside: probed.Seen) -> Iterator[tuple[str, str | None, str | None]]:
    """Path, what is seen from outside, and what from inside, of every entry of the environment that differs."""
    start = outside.root.lstrip("/") + "/"
    theirs = {path[len(start) :]: entry for path, entry in inside.tree.entries.items() if path.startswith(start)}
    for path in sorted(outside.entries.keys() | theirs.keys()):
        ours, their = outside.entries.get(path), theirs.get(path)
        shown = [
            None if e is None else f"{e.kind.value} {e.mode:04o} {(e.link or (e.sha256 or ''))}".rstrip()
            for e in (ours, their)
        ]
        if ours is not None and ours.link is not None:
            shown[0] = f"link {ours.mode:04o} {ours.link}"
        if shown[0] != shown[1]:
            yield path, shown[0], shown[1]
