"""Small real wheels, with deterministic bytes, honest or with one thing wrong."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Members = Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]
EPOCH = (2026, 1, 1, 0, 0, 0)


def build_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    entry_points: Mapping[str, str] | None = None,
    scripts: Mapping[str, bytes] | None = None,
    data: Mapping[str, bytes] | None = None,
    requires_python: str | None = None,
    record: str | bytes = "sha256",
    extra_members: Members | None = None,
    provides_extra: Sequence[str] = (),
    metadata: bytes | None = None,
    dist_info: Mapping[str, bytes] | None = None,
    purelib: bool = True,
    compression: int = zipfile.ZIP_DEFLATED,
    filename: str | None = None,
) -> Path:
    """Write a wheel and return its path.

    Args:
        files: members under the site directory; by default one module named like the distribution.
        entry_points: script name -> "module:function" (console_scripts).
        scripts: member under `.data/scripts/` -> bytes.
        data: member under `.data/`, such as "data/share/x" or "headers/x.h" -> bytes.
        record: "sha256", "hex" (digests as hex digits), "none" (no digests), "missing" (no RECORD), or its bytes.
        extra_members: further members, which RECORD does not list.
        metadata: METADATA verbatim.
        dist_info: further files of the dist-info, listed in RECORD; they replace those written by default.
        filename: the file's name where it is not to agree with name, version and tag.
    """
    stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    info = f"{stem}.dist-info"
    module = name.replace("-", "_").replace(".", "_").lower()
    members: dict[str, bytes] = dict({f"{module}/__init__.py": b"VALUE = 1\n"} if files is None else files)
    for member, content in (scripts or {}).items():
        members[f"{stem}.data/scripts/{member}"] = content
    for member, content in (data or {}).items():
        members[f"{stem}.data/{member}"] = content
    members[f"{info}/METADATA"] = (
        _metadata(name, version, requires, requires_python, provides_extra) if metadata is None else metadata
    )
    root = "true" if purelib else "false"
    members[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {root}\nTag: {tag}\n".encode()
    if entry_points:
        lines = [f"{script} = {target}" for script, target in entry_points.items()]
        members[f"{info}/entry_points.txt"] = ("[console_scripts]\n" + "\n".join(lines) + "\n").encode()
    members |= {f"{info}/{member}": content for member, content in (dist_info or {}).items()}
    if isinstance(record, bytes):
        members[f"{info}/RECORD"] = record
    elif record != "missing":
        members[f"{info}/RECORD"] = record_of(members, f"{info}/RECORD", form=record)
    path = folder / (filename or f"{stem}-{tag}.whl")
    extra = list(extra_members.items() if isinstance(extra_members, Mapping) else extra_members or ())
    write_archive(path, [*members.items(), *extra], compression=compression)
    return path


def record_of(members: Mapping[str, bytes], own: str, *, form: str = "sha256") -> bytes:
    """RECORD of the members; `form` is sha256, hex or none."""
    rows = []
    for member, content in members.items():
        digest = hashlib.sha256(content)
        written = {
            "sha256": "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode(),
            "hex": "sha256=" + digest.hexdigest(),
            "none": "",
        }[form]
        quoted = f'"{member}"' if "," in member or '"' in member else member
        rows.append(f"{quoted},{written},{len(content) if written else ''}\n")
    return ("".join(rows) + f"{own},,\n").encode()


def write_archive(
    path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], *, compression: int = zipfile.ZIP_DEFLATED
) -> None:
    """A zip file of the members in the order given; names may repeat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, content in members:
            if isinstance(member, zipfile.ZipInfo):
                entry = member
            else:
                entry = zipfile.ZipInfo(member, EPOCH)
                entry.external_attr = (0o100755 if ".data/scripts/" in member else 0o100644) << 16
                entry.compress_type = compression
            if entry.filename in names:  # zipfile warns of duplicates; hostile archives hold them
                import warnings

                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    archive.writestr(entry, content)
            else:
                archive.writestr(entry, content)
            names.add(entry.filename)


def sha256_of(path: Path) -> str:
    """64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _metadata(
    name: str, version: str, requires: Sequence[str], requires_python: str | None, provides_extra: Sequence[str]
) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: made by a test"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in provides_extra]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return ("\n".join(lines) + "\n\nA small wheel.\n").encode()
