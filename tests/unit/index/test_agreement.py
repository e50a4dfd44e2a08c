"""Wheels that pip and uv install differently, or one of them not at all, have no content digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.wheels import build_wheel

from envctl.errors import IndexFailed
from envctl.index.wheel import read_file

EDITABLE = b'{"url": "file:///x", "dir_info": {"editable": true}}'


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"files": {"a\nb.py": b""}}, r"a\\nb.py has a control character"),
        ({"files": {"a\x85b.py": b""}}, "has a control character or line separator"),
        ({"files": {"a\u2028b.py": b""}}, "has a control character or line separator"),
        ({"files": {"a\u202eb.py": b""}}, "has a control character or line separator"),
        ({"files": {"a\u200db.py": b""}}, "has a control character or line separator"),
        ({"files": {"é" * 128: b""}}, "has a name that is too long"),
        ({"files": {"other.data/scripts/x": b""}}, r"other.data/scripts/x is in a .data folder that is not"),
        ({"files": {"other.data": b""}}, "is in a .data folder that is not"),
        ({"scripts": {"sub/x": b""}}, "is in a folder of scripts"),
        ({"scripts": {"x": b"#!python\rx = 1\n"}}, "has a carriage return in its first line"),
        (
            {"scripts": {"run-script.py": b""}, "entry_points": {"run": "m:f"}},
            "looks like the script of an entry point",
        ),
        ({"scripts": {"run.exe": b""}, "entry_points": {"run": "m:f"}}, "looks like the script of an entry point"),
        ({"files": {"other-1.egg-info/PKG-INFO": b""}}, "is metadata of another distribution"),
        ({"files": {"other.egg": b""}}, "is metadata of another distribution"),
        ({"data": {"purelib/other-1.dist-info/METADATA": b""}}, "is metadata of another distribution"),
        ({"data": {"purelib/demo-1.0.dist-info/RECORD": b""}}, "is installed into the wheel's own metadata"),
        ({"data": {"data/pyvenv.cfg": b""}}, "own interpreter or configuration"),
        ({"scripts": {"python3": b""}}, "own interpreter or configuration"),
        ({"entry_points": {"python": "m:f"}}, "own interpreter or configuration"),
        ({"data": {"data/lib/x": b"", "data/lib64/x": b""}}, "where lib64 is a link to lib"),
        ({"dist_info": {"direct_url.json": EDITABLE}}, "claims an editable install"),
    ],
)
def test_what_installers_do_not_agree_on_is_refused(
    tmp_path: Path, parts: dict[str, dict[str, bytes]], said: str
) -> None:
    with pytest.raises(IndexFailed, match=said):
        read_file(build_wheel(tmp_path, "demo", **parts))


@pytest.mark.parametrize(
    "parts",
    [
        {"files": {"sub/other.data/x": b"", "sub/other-1.egg-info/PKG-INFO": b"", "é" * 127: b""}},
        {"scripts": {"x": b"#!python\r\nx\n", "run2": b"", "python-config": b""}, "entry_points": {"run": "m:f"}},
        {"dist_info": {"direct_url.json": b'{"url": "https://a.example", "archive_info": {}}', "INSTALLER": b"x"}},
        {"data": {"data/lib/x": b"", "data/lib64/y": b"", "data/share/pyvenv.cfg": b""}},
    ],
)
def test_what_installers_agree_on_is_not_refused(tmp_path: Path, parts: dict[str, dict[str, bytes]]) -> None:
    assert read_file(build_wheel(tmp_path, "demo", **parts)).manifest.files
