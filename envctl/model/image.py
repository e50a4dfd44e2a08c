"""What an image says and holds, as comparing needs it. Paths have no slash at their start; nothing here is read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from envctl.model.inventory import Bytecode, Entry, Inventory, Kind

STANDALONE = "opt/python"
"""Where the Dockerfile puts a standalone build of Python."""
_BUILD = f"{STANDALONE}/"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines set where an image says no PATH."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an image's configuration, or a container's, makes of a process that is started in it.

    Attributes:
        env: variables by name. `entrypoint` and `command`: empty where there are none; `user` empty: root.
    """

    env: Mapping[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    labels: Mapping[str, str] = {}


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """The pinned base image, as far as it is known: diff-ids of its layers, and its settings."""

    digest: str
    diff_ids: tuple[str, ...]
    settings: Settings | None = None

    def carries(self, diff_ids: tuple[str, ...]) -> bool:
        """Whether an image of these layers stands on it."""
        return diff_ids[: len(self.diff_ids)] == self.diff_ids


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file system of an image or container.

    Attributes:
        entries: path -> entry.
        below: path -> entry of the file system that the pinned base's layers make alone; empty where the image is not
            known to stand on them.
        texts: contents of the few files whose content decides.
        build: files of the pinned standalone build of Python, by path below its folder: sha256, or a link's target;
            empty where none is pinned, or its archive was not at hand.
    """

    entries: Mapping[str, Entry]
    below: Mapping[str, Entry]
    texts: Mapping[str, bytes]
    build: Mapping[str, str] = {}

    def anchored(self, path: str) -> bool:
        """Whether the base's layers, or the pinned standalone build of Python, vouch for what stands at the path."""
        entry = self.entries.get(path)
        if entry is None:
            return False
        if self.below.get(path) == entry:
            return True
        said = self.build.get(path.removeprefix(_BUILD)) if path.startswith(_BUILD) else None
        return said is not None and said == (entry.link if entry.kind is Kind.LINK else entry.sha256)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where an environment is in a file system.

    Attributes:
        prefix: its folder, such as `opt/venv` or `usr/local`.
        executable: the interpreter that is started, real path; None where there is none.
        venv: whether pyvenv.cfg makes it a virtual environment; else it is that of an installed interpreter.
        site: its site directory, relative to the prefix; None where there is none.
    """

    prefix: str
    executable: str | None
    venv: bool
    site: str | None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """An image or a container as it was read.

    Attributes:
        platform: OCI's name, such as linux/amd64.
        digest: the manifest's, else the configuration's, `sha256:<hex>`.
        settings: those that processes get. `processes`: variables of processes that run, by
            process id; None where they could not be read.
        diff_ids: of the image's layers, from the lowest up.
        base: the pinned base; None where nothing was at hand that says what it is, then `base_unknown` says why.
        root: the file system; None where there is no reader for it (an isolated interpreter saw the environment only).
        environment: where the environment is; None where none was found.
        others: prefixes of further environments that the layers above the base brought.
        inventory: the environment's files; None without one.
        bytecode: how each `.pyc` compares that the base has not so, outside of the environment, beside a source for
            which the base vouches.
        mounts: absolute places at which something else is mounted into a container.
    """

    platform: str
    digest: str | None
    settings: Settings
    diff_ids: tuple[str, ...]
    base: Base | None
    root: Root | None
    environment: Environment | None
    inventory: Inventory | None
    base_unknown: str = ""
    bytecode: Mapping[str, Bytecode] = {}
    others: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    processes: Mapping[int, Mapping[str, str]] | None = {}
