"""What a row of the attack table is, and what deeds work with. Standard library only: it runs inside of images too."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import marshal
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

VENV, IMAGE, CONTAINER = "venv", "image", "container"
BOTH = (VENV, IMAGE)
TIMESTAMP, UNCHECKED, CHECKED = 0, 1, 3  # flags of bytecode (PEP 552)

# The functions of `envctl.verify` without which something is not found.
CONTENTS, SCRIPTS, RECORD = "contents.check", "contents._check_scripts", "contents._check_record"
OWNERS, LINKS, SPECIAL = "closed._check_owners", "closed._check_links", "closed._check_special"
RIGHTS, MOUNTS, PROBLEMS = "closed._check_permissions", "mounts.check", "closed._check_problems"
SPLIT, TWICE, EXTRA = "packages.split", "packages._twice", "compare._report_extra"
HOOKS, BYTECODE, PROJECT = "hooks.check", "bytecode.check", "project.check"
VERSION, CONFIG, STARTS = "interpreter._check_version", "interpreter._check_config", "interpreter._check_links"
VARIABLES, SETTINGS = "interpreter._variable", "settings.check"
CHANGED, ROOT, SHADOWS = "rootfs._check_changed", "rootfs.check", "rootfs._check_shadows"
BASE = "base.check"
AROUND, CACHES = "loading.check_rights", "loading.check_caches"

Named = tuple[str, "str | None"]
"""Code and path of a finding; in a row the path may have `{fields}` of a target."""


class Attack(NamedTuple):
    """One row: what is done, and what must name it.

    Attributes:
        name: what is done, as the page says it.
        code, path: of the finding that names it. `{…}` in a path is what `Target` calls it; None: the message names it.
        check: the function of `envctl.verify` without which it is not found.
        deed: does it to an environment in a folder, here or in a step of a Dockerfile.
        steps: of a Dockerfile, for what is done to an image alone; `{site}` and `{venv}` are absolute.
        says: part of the message. `package`: whose finding it is; empty: the target's where the deed takes it alone.
        also: further findings that the deed must have. `follows`: those that it may have; a path is how theirs begins.
        blind: what names it where no manifest is at hand; empty: the same.
        where: what it is done to. `inside`: whether a reader that sees the environment alone finds it.
        group: deeds of one group are done to one environment.
        alone: the deed takes a package for itself, since without its manifest the package alone can be named.
        environ: variables of the process that calls, or of the image.
        abuses: the allowed difference that it hides behind.
        proof: the test that does it, `file::function`, where it is done to no environment of the table.
    """

    name: str
    code: str
    path: str | None
    check: str
    deed: Callable[[Place], None] | None = None
    steps: str = ""
    says: str = ""
    package: str = ""
    also: tuple[Named, ...] = ()
    follows: tuple[Named, ...] = ()
    blind: tuple[Named, ...] = ()
    where: tuple[str, ...] = BOTH
    inside: bool = True
    group: str = "together"
    alone: bool = False
    environ: Mapping[str, str] = {}
    abuses: str = ""
    proof: str = ""

    def names(self, target: Target, *, blind: bool = False) -> tuple[Named, ...]:
        """Code and path of every finding that the deed must have; `blind`: where no manifest is at hand."""
        wanted = self.blind if blind and self.blind else ((self.code, self.path), *self.also)
        return tuple((code, None if path is None else path.format(**target.fields())) for code, path in wanted)


class Target(NamedTuple):
    """The files that a deed may take; paths of `module`, `folder`, `info`, `hook` and `empty` are below `site`.

    `script` and `own_script` are in `bin`; `data` is below the prefix, `mate` another module of the package.
    """

    package: str
    version: str
    info: str
    folder: str
    module: str
    mate: str
    script: str
    own_script: str
    data: str
    hook: str
    hook_package: str
    site: str
    tag: str
    outside: str
    """A folder of the attacker's, absolute, which is there."""

    def fields(self) -> dict[str, str]:
        """What paths of rows may name."""
        folder, _, file = self.module.rpartition("/")
        minor = self.tag.removeprefix("cpython-")
        return {
            **self._asdict(),
            "name": file.removesuffix(".py"),
            "cache": f"{folder}/__pycache__",
            "shadow": self.module.removesuffix(".py"),
            "stem": self.info.partition("-")[0],
            "python": f"python{minor[0]}.{minor[1:]}",
            "zip": f"python{minor}.zip",
            "own_name": self.own_script.removeprefix("bin/"),
        }


class Place:
    """An environment, and the target of one deed in it."""

    def __init__(self, prefix: str, target: Target) -> None:
        self.prefix, self.target = Path(prefix), target
        self.site = self.prefix / target.site
        self.module, self.mate = self.site / target.module, self.site / target.mate
        self.folder, self.info = self.site / target.folder, self.site / target.info
        self.script, self.own_script = (self.prefix / name for name in (target.script, target.own_script))
        self.data, self.hook = self.prefix / target.data, self.site / target.hook
        self.outside = Path(target.outside)

    def write(self, path: Path, data: bytes | str, mode: int = 0o644) -> Path:
        """A new file in the place of what was there; files of which it was a hard link stay what they are."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(mode)
        return path

    def edit(self, path: Path, *, end: bytes = b"\nevil = 1\n", old: bytes = b"", new: bytes = b"") -> None:
        """The file with `old` replaced by `new`, or with something at its end; its mode stays."""
        data, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
        assert old in data, f"{old!r} is not in {path}"
        self.write(path, data.replace(old, new) if old else data + end, mode)

    def link(self, path: Path, target: object) -> None:
        """A symbolic link in the place of what was there."""
        path.unlink(missing_ok=True)
        path.symlink_to(str(target))

    def rows(self) -> list[str]:
        """The lines of RECORD."""
        return (self.info / "RECORD").read_text().splitlines()

    def record(self, rows: list[str]) -> None:
        """Write RECORD."""
        self.write(self.info / "RECORD", "".join(f"{row}\n" for row in rows))

    def repair(self, *paths: Path, form: str = "sha256") -> None:
        """Make RECORD agree with files, and list those that it does not; `form` is sha256, hex or none."""
        names = {os.path.relpath(path, self.site): path for path in paths}
        kept = [row for row in self.rows() if row.partition(",")[0] not in names]
        self.record([row_of(name, path.read_bytes(), form) for name, path in names.items()] + kept)

    def compile(
        self,
        code: str | None,
        flags: int = TIMESTAMP,
        *,
        level: int = 0,
        at: Path | None = None,
        source: Path | None = None,
    ) -> Path:
        """Bytecode of `code` (None: the module's own) with a header by which Python takes it for the module's."""
        source = source or self.module
        data, status = source.read_bytes(), source.stat()
        head = (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(
            4, "little"
        )
        head = head if flags == TIMESTAMP else importlib.util.source_hash(data)
        body = compile(data if code is None else code, str(source), "exec", dont_inherit=True, optimize=level)
        name = f"{source.stem}.{self.target.tag}{f'.opt-{level}' if level else ''}.pyc"
        whole = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + head + marshal.dumps(body)
        return self.write(at or source.parent / "__pycache__" / name, whole)


def row_of(name: str, data: bytes, form: str = "sha256") -> str:
    """A line of RECORD."""
    if form == "none":
        return f"{name},,"
    digest = hashlib.sha256(data)
    said = digest.hexdigest() if form == "hex" else base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"{name},sha256={said},{len(data)}"
