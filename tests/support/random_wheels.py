"""Random wheels, as far as the specifications let them vary, and beyond: a value, which `write` makes a file of.

Sources: binary-distribution-format, recording-installed-packages, entry-points (packaging.python.org); APPNOTE.TXT.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import marshal
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

EPOCH = (2026, 1, 1, 0, 0, 0)
NUMBER = "@"  # stands in every path where the wheel's number makes it the only one of its name


class Item(NamedTuple):
    """A file of the wheel: path with `@` for the wheel's number, content, permissions, and whether it is stored."""

    path: str
    content: bytes
    mode: int = 0o644
    stored: bool = False


class Spec(NamedTuple):
    """A wheel but for its number.

    Attributes:
        name: as the file name, the dist-info folder and METADATA spell the distribution's name, `@` for the number.
        version: the same for its version.
        files: under the site directory. `data`: under `.data/`. `info`: further files of the dist-info.
        record: form of each row's digest, one after the other: sha256, sha384, sha512, hex, none.
        sizes: whether rows have sizes. `quoted`: every field in quotes. `newline`: of RECORD.
        order: "as-is", "sorted", "record-first".
        folders: whether folders are members too. `streamed`: sizes follow the data. `zip64`: with large fields.
    """

    name: tuple[str, str, str]
    version: tuple[str, str, str]
    tag: str
    build: str
    purelib: bool
    metadata: str
    files: tuple[Item, ...]
    data: tuple[Item, ...]
    info: tuple[Item, ...]
    entry_points: str
    record: tuple[str, ...]
    sizes: bool
    quoted: bool
    newline: str
    order: str
    folders: bool
    streamed: bool
    zip64: bool
    comment: bytes

    def write(self, folder: Path, number: int) -> Path:
        """Write the wheel."""
        spelled = [text.replace(NUMBER, str(number)) for text in self.name]
        info = f"{spelled[1]}-{self.version[1]}.dist-info"
        members = self._members(number, spelled, info)
        own = f"{info}/RECORD"
        record = Item(own, self._record(members, own))
        if self.order == "sorted":
            members.sort()
        members = [record, *members] if self.order == "record-first" else [*members, record]
        parts = (spelled[0], self.version[0], *((self.build,) if self.build else ()), self.tag)
        path = folder / f"{'-'.join(parts)}.whl"
        path.write_bytes(self._archive(members))
        return path

    def _members(self, number: int, spelled: list[str], info: str) -> list[Item]:
        def numbered(item: Item, start: str) -> Item:
            return item._replace(path=start + item.path.replace(NUMBER, str(number)))

        data = info.removesuffix(".dist-info") + ".data/"
        wheel = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {str(self.purelib).lower()}\nTag: {self.tag}\n"
        metadata = f"Metadata-Version: {self.metadata}\nName: {spelled[2]}\nVersion: {self.version[2]}\n\nA wheel.\n"
        found = [
            *(numbered(item, "") for item in self.files),
            *(numbered(item, data) for item in self.data),
            Item(f"{info}/METADATA", metadata.encode()),
            Item(f"{info}/WHEEL", wheel.encode()),
            *(numbered(item, f"{info}/") for item in self.info),
        ]
        if self.entry_points:
            found.append(Item(f"{info}/entry_points.txt", self.entry_points.replace(NUMBER, str(number)).encode()))
        return list({item.path: item for item in found}.values())

    def _record(self, members: list[Item], own: str) -> bytes:
        text = io.StringIO(newline="")
        quoting = csv.QUOTE_ALL if self.quoted else csv.QUOTE_MINIMAL
        rows = csv.writer(text, lineterminator=self.newline, quoting=quoting)
        for at, item in enumerate(members):
            digest = digest_of(item.content, self.record[at % len(self.record)])
            rows.writerow((item.path, digest, len(item.content) if self.sizes and digest else ""))
        rows.writerow((own, "", ""))
        return text.getvalue().encode("utf-8", "surrogateescape")

    def _archive(self, members: list[Item]) -> bytes:
        raw = io.BytesIO()
        stream = _Unseekable(raw) if self.streamed else raw
        done: set[str] = set()
        with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[arg-type]
            archive.comment = self.comment
            for item in members:
                parents = ["/".join(item.path.split("/")[:n]) + "/" for n in range(1, item.path.count("/") + 1)]
                for folder in parents if self.folders else ():
                    if folder not in done:
                        done.add(folder)
                        entry = zipfile.ZipInfo(folder, EPOCH)
                        entry.external_attr = (0o40755 << 16) | 0x10
                        archive.writestr(entry, b"")
                entry = zipfile.ZipInfo(item.path, EPOCH)
                entry.external_attr = (0o100000 | item.mode) << 16
                entry.compress_type = zipfile.ZIP_STORED if item.stored else zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=self.zip64) as member:
                    member.write(item.content)
        return raw.getvalue()


class _Unseekable:
    """What a server writes to: a `ZipFile` then puts sizes after the data (APPNOTE 4.3.9)."""

    def __init__(self, raw: io.BytesIO) -> None:
        self.write, self.flush = raw.write, raw.flush


def digest_of(content: bytes, form: str) -> str:
    """A digest as RECORD has it."""
    if form == "none":
        return ""
    if form == "hex":
        return f"sha256={hashlib.sha256(content).hexdigest()}"
    return f"{form}={base64.urlsafe_b64encode(hashlib.new(form, content).digest()).rstrip(b'=').decode()}"


def compiled(source: bytes) -> bytes:
    """Bytecode of a source that was compiled on another day."""
    code = marshal.dumps(compile(source, "module.py", "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, 1, len(source)) + code


PARTS = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "_c",
        "é",
        "日本",
        "é",
        "x y",
        "a,b",
        'q"q',
        "'",
        ";",
        "#",
        "%41",
        "$HOME",
        "&",
        "=",
        "[0]",
        "~",
        "-",
        "+",
        "!",
        "(1)",
        "x" * 90,
        "CON",
        "a.b",
        "...",
        "data",
        "a.data",
        "b.dist-info",
        "__pycache__",
    ]
)
ODD_PARTS = st.sampled_from(
    [
        "n\nl",
        "r\rl",
        "t\tb",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x85",
        "\u2028",
        "\u202e",
        "\u200d",
        "\ue000",
        "\xa0",
        "\x7f",
        "y" * 256,
    ]
)
ENDINGS = st.sampled_from(
    ["", ".py", ".pyi", ".so", ".txt", ".pth", ".json", ".PY", ".pyc", ".dist-info", ".exe", ".sh"]
)
CONTENTS = st.sampled_from(
    [b"", b"x", b"X = 1\n", b"no end", b"\r\n", b"\x00\xff\n", b"def f(:\n", b"\xef\xbb\xbfA = 1\n"]
)
MODES = st.sampled_from([0o644, 0o755, 0o600, 0o444, 0o777, 0o4755, 0])


@st.composite
def items(draw: st.DrawFn, start: str, parts: st.SearchStrategy[str]) -> Item:
    """A file below a folder that is the wheel's own."""
    depth = draw(st.integers(1, 3))
    name = "/".join(draw(parts) for _ in range(depth)) + draw(ENDINGS)
    return Item(start + name, draw(CONTENTS), draw(MODES), draw(st.booleans()))


SOURCES = st.sampled_from([b"X = 1\n", b"", b"def f(a=1):\n    return {a, 2}\n", b"def f(:\n"])


@st.composite
def bytecode(draw: st.DrawFn) -> tuple[Item, ...]:
    """Bytecode that the wheel brings, with or without its source."""
    source = draw(SOURCES)
    content = compiled(source) if source != b"def f(:\n" else b""
    tag = draw(st.sampled_from(["cpython-311", "cpython-312", "cpython-311.opt-1", "pypy39"]))
    cached = Item(f"pyc@/__pycache__/m.{tag}.pyc", content)
    return (Item("pyc@/m.py", source), cached) if content and draw(st.booleans()) else (cached,)


STARTS = st.sampled_from(
    [
        b"#!python\n",
        b"#!pythonw\n",
        b"#!python3\n",
        b"#!python\r\n",
        b"#!python",
        b"#!/bin/sh\n",
        b"#!/usr/bin/env python3\n",
        b"#!python -u\n",
        b"#!python\n# -*- coding: latin-1 -*-\n",
        b"#!python \n",
        b"#!python3.11 -E\n",
        b"",
        b"\x7fELF",
        b"#! python\n",
    ]
)


@st.composite
def scripts(draw: st.DrawFn, *, odd: bool) -> Item:
    """A script of the wheel's own."""
    more = ["ep-script.py", "ep.exe", "sub/run"] if odd else []
    name = "scripts/" + draw(st.sampled_from(["run", "run.py", "Run", "a b", "é", "run.sh", *more]))
    folder, _, last = name.rpartition("/")
    content = draw(STARTS) + draw(st.sampled_from([b"print(1)\n", b"", b"x = '\xe9'\n", b"no end"]))
    stem, dot, ending = last.partition(".")
    dash = "-script" if stem.endswith("-script") else ""
    path = f"{folder}/{stem.removesuffix('-script')}@{dash}{dot}{ending}"
    return Item(path, content, draw(st.sampled_from([0o755, 0o644])))


@st.composite
def data(draw: st.DrawFn, parts: st.SearchStrategy[str]) -> Item:
    """A file of the `.data` folder."""
    start = draw(
        st.sampled_from(
            [
                "purelib/pure@/",
                "platlib/plat@/",
                "headers/h@/",
                "data/share/d@/",
                "data/bin/b@",
                "data/etc/e@/",
                "data/lib/python3.11/site-packages/s@/",
                "data/include/i@/",
                "headers/",
                "data/lib/python3.12/site-packages/t@/",
                "data/lib64/l@/",
                "data/lib/l@/",
                "data/include/site/python3.11/@/",
            ]
        )
    )
    return draw(items(start, parts))


TARGETS = st.sampled_from(
    [
        "m@:f",
        "m@.sub:C.f",
        "m@:f [x]",
        "m@:f[x,y]",
        " m@ : f ",
        "m@",
        "m@:f # c",
        "m@:f ; c",
        "",
        "m@:f\n  more",
        "é@:f",
        "m-1:f",
        "m@:f:g",
    ]
)
NAMES = st.sampled_from(
    [
        "ep@",
        "ep@.x",
        "Ep@",
        "e p@",
        "é@",
        "ep@[x]",
        "ep@'",
        "ep@$",
        "-ep@",
        "ep@,",
        "#ep@",
        ";ep@",
        " ep@",
        "ep@:x",
        "e/p@",
        "run@",
        "pip@",
    ]
)


@st.composite
def entry_points(draw: st.DrawFn, *, odd: bool) -> str:
    """An entry_points.txt, of the usual form where it is not to be odd."""
    plain = not odd or draw(st.integers(0, 3)) > 0
    lines = []
    for group in draw(
        st.lists(
            st.sampled_from(["console_scripts", "gui_scripts", "other", "Console_Scripts"]), max_size=3, unique=plain
        )
    ):
        lines.append(
            draw(st.sampled_from([f"[{group}]", f"[{group}]", f"[ {group} ]", f"[{group}] ; c"]))
            if not plain
            else f"[{group}]"
        )
        for _ in range(draw(st.integers(0, 2))):
            equals = draw(st.sampled_from([" = ", "=", " : ", "  =  "])) if not plain else " = "
            name = (
                draw(NAMES) if not plain else f"{draw(st.sampled_from(['ep@', 'ep@.x', 'Ep@', 'ep-two@']))}{len(lines)}"
            )
            target = draw(TARGETS) if not plain else draw(st.sampled_from(["m@:f", "m@.sub:C.f", "m@:f [x]"]))
            lines.append(f"{name}{equals}{target}")
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(["", "# comment", *([] if plain else ["; comment"])])))
    return draw(st.sampled_from(["\n", "\r\n"] if not plain else ["\n"])).join(lines) + ("\n" if lines else "")


INFO = st.sampled_from(
    [
        Item("INSTALLER", b"conda\n"),
        Item("REQUESTED", b""),
        Item("direct_url.json", b'{"url": "https://a.example/x", "archive_info": {}}'),
        Item("top_level.txt", b"m\n"),
        Item("licenses/LICENSE", b"text"),
        Item("sboms/x.json", b"{}"),
        Item("RECORD.jws", b"{}"),
        Item("RECORD.p7s", b"x"),
        Item("uv_cache.json", b"{}"),
        Item("sub/RECORD", b"x,,\n"),
        Item("WHEEL.old", b""),
    ]
)
SPELLED = st.sampled_from(
    [
        ("pkg_@", "pkg_@", "pkg-@"),
        ("Pkg_@", "Pkg_@", "Pkg.@"),
        ("pkg_x_@", "pkg_x_@", "Pkg__x.@"),
        ("p@", "p@", "P@"),
        ("pkg.x_@", "pkg.x_@", "pkg.x-@"),
        ("pkg_@", "Pkg_@", "pkg_@"),
    ]
)
VERSIONS = st.sampled_from(
    [
        ("1.0", "1.0", "1.0"),
        ("2.0.post1", "2.0.post1", "2.0.post1"),
        ("1!2.0", "1!2.0", "1!2.0"),
        ("1.0+abc.1", "1.0+abc.1", "1.0+abc.1"),
        ("1.0rc1", "1.0rc1", "1.0rc1"),
        ("1.0", "1.0", "1.0.0"),
        ("0", "0", "0"),
        ("2026.1.1.dev0", "2026.1.1.dev0", "2026.1.1.dev0"),
    ]
)
TAGS = st.sampled_from(
    ["py3-none-any", "py2.py3-none-any", "py3-none-linux_x86_64.any", "cp311-none-any", "cp39-abi3-linux_x86_64"]
)


@st.composite
def wheels(draw: st.DrawFn, *, odd: bool = True) -> Spec:
    """Any wheel. With `odd` some have what the specifications leave open or do not allow."""
    strange = odd and draw(st.integers(0, 9)) == 0
    parts = PARTS | ODD_PARTS if strange else PARTS
    files = draw(st.lists(items("m@/", parts) | items("ns/m@/", parts), max_size=4))
    files += draw(st.lists(st.sampled_from([Item("m@/__init__.py", b""), Item("one@.py", b"A = 1\n")]), max_size=2))
    if strange:
        tops = ["x@.data/scripts/y", "m@.py/x", "other@-1.0.dist-info/x", "sitecustomize.py", "h@.pth", "@.data/y"]
        files += [Item(draw(st.sampled_from(tops)), b"1\n")]
    if draw(st.integers(0, 3)) == 0:
        files += draw(bytecode())
    scripted = draw(st.lists(scripts(odd=odd) | data(parts), max_size=3))
    strength = ["sha256"] * 6 + ["sha384", "sha512", "hex", "none"]
    return Spec(
        name=draw(SPELLED),
        version=draw(VERSIONS),
        tag=draw(TAGS),
        build=draw(st.sampled_from(["", "", "", "1", "2local"])),
        purelib=draw(st.booleans()),
        metadata=draw(st.sampled_from(["2.1", "1.0", "1.2", "2.4", "2.5"])),
        files=tuple(files),
        data=tuple(scripted),
        info=tuple(draw(st.lists(INFO, max_size=2))),
        entry_points=draw(st.just("") | entry_points(odd=odd)),
        record=tuple(draw(st.lists(st.sampled_from(strength), min_size=1, max_size=3))),
        sizes=draw(st.booleans()),
        quoted=draw(st.booleans()),
        newline=draw(st.sampled_from(["\n", "\n", "\r\n"])),
        order=draw(st.sampled_from(["as-is", "sorted", "record-first"])),
        folders=draw(st.booleans()),
        streamed=draw(st.booleans()),
        zip64=draw(st.booleans()),
        comment=draw(st.sampled_from([b"", b"", b"a comment"])),
    )


def members(path: Path) -> Mapping[str, bytes]:
    """What the file holds, for messages."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
