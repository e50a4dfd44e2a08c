from __future__ import annotations

import base64
import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.model.record import (
    RecordEntry,
    bytecode_source,
    canonical,
    entry_point_scripts,
    installed_path,
    installed_paths,
    is_python_script,
    parse_record,
    safe_member,
)

HEX = hashlib.sha256(b"x").hexdigest()
B64 = base64.urlsafe_b64encode(bytes.fromhex(HEX)).decode().rstrip("=")

# Older releases of csv.writer do not quote a lone carriage return.
letters = st.one_of(st.sampled_from(',"\n é'), st.characters(blacklist_characters="\0\r", codec="utf-8"))
names = st.text(letters, min_size=1)
rows = st.dictionaries(
    names, st.tuples(st.none() | st.binary(min_size=32, max_size=32), st.none() | st.integers(0, 2**40))
)


@given(rows, st.sampled_from(["\n", "\r\n"]))
def test_a_record_that_csv_wrote_is_read_back(rows: dict[str, tuple[bytes | None, int | None]], end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    for path, (digest, size) in rows.items():
        written = "" if digest is None else "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
        writer.writerow([path, written, "" if size is None else size])
    expected = tuple(
        RecordEntry(path, None if digest is None else digest.hex(), size) for path, (digest, size) in rows.items()
    )
    assert parse_record(text.getvalue().encode()) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_a_value_error(data: bytes) -> None:
    try:
        found: object = parse_record(data)
    except ValueError as error:
        found = error
    assert isinstance(found, tuple) or "RECORD" in str(found)


@given(
    st.lists(
        st.sampled_from(["a,", "b,sha256=" + B64 + ",", "c,,3", "d", '"e"', ",", "f,sha256=zz,1", "g,,x"]), max_size=6
    )
)
def test_reading_many_rows_at_once_reads_what_csv_reads(lines: list[str]) -> None:
    quoted = "\n".join(lines) + '\n"quoted",,\n'  # the quotes force the way through csv
    plain = "\n".join(lines) + "\nquoted,,\n"

    def read(text: str) -> object:
        try:
            return parse_record(text.encode())
        except ValueError as error:
            return str(error)

    assert read(plain) == read(quoted)


@pytest.mark.parametrize("digest", [f"sha256={HEX}", f"md5={B64}", f"sha256={B64}=", "sha256=", B64, f"sha512={B64}"])
def test_a_digest_other_than_base64_sha256_counts_as_absent(digest: str) -> None:
    assert parse_record(f"a.py,{digest},1\n".encode()) == (RecordEntry("a.py", None, 1),)


@pytest.mark.parametrize("text", ["a,,\na,,\n", '"a,,\n', "a,,,\n", ",,\n", "a\0b,,\n", '"a"b,,\n'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RECORD"):
        parse_record(text.encode())


@pytest.mark.parametrize("path", ["a", "a/b", "...", "a/.../b", ".a", "a.", "a..", "a../b", "é/ü", "a b", "ab:c"])
def test_ordinary_members_are_safe(path: str) -> None:
    assert safe_member(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "//a",
        "a//b",
        "a/",
        ".",
        "..",
        "./a",
        "../a",
        "a/.",
        "a/..",
        "a/./b",
        "a/../b",
        "a\\b",
        "\\a",
        "a\0",
        "C:a",
    ],
)
def test_members_that_leave_their_place_or_have_two_names_are_not_safe(path: str) -> None:
    assert not safe_member(path)


@given(st.text(st.sampled_from("a./\\"), max_size=8))
def test_a_safe_member_is_its_own_normal_form(path: str) -> None:
    normal = "/".join(part for part in path.split("/") if part not in ("", "."))
    good = path == normal != "" and ".." not in path.split("/") and "\\" not in path
    assert safe_member(path) == good


@pytest.mark.parametrize(
    ("member", "place"),
    [
        ("demo/__init__.py", "site/demo/__init__.py"),
        ("demo-1.0.dist-info/METADATA", "site/demo-1.0.dist-info/METADATA"),
        ("demo-1.0.dist-info/RECORD", None),
        ("demo-1.0.dist-info/RECORD.jws", None),
        ("demo-1.0.dist-info/INSTALLER", None),
        ("demo-1.0.dist-info/licenses/RECORD", "site/demo-1.0.dist-info/licenses/RECORD"),
        ("vendor/other-2.dist-info/RECORD", "site/vendor/other-2.dist-info/RECORD"),
        ("demo-1.0.data/scripts/run", "bin/run"),
        ("demo-1.0.data/data/bin/run", "bin/run"),
        ("demo-1.0.data/data/share/x", "prefix/share/x"),
        ("demo-1.0.data/data/lib/python3.11/site-packages/x.pth", "site/x.pth"),
        ("demo-1.0.data/data/include/site/python3.11/demo/x.h", "include/demo/x.h"),
        ("demo-1.0.data/headers/x.h", "include/demo/x.h"),
        ("demo-1.0.data/purelib/x.py", "site/x.py"),
        ("demo-1.0.data/platlib/x.so", "site/x.so"),
        ("demo/__pycache__/x.cpython-311.pyc", None),
        ("demo/x.pyc", "site/demo/x.pyc"),
        ("other-1.0.data/scripts/run", "site/other-1.0.data/scripts/run"),
    ],
)
def test_members_are_installed_where_the_specification_says(member: str, place: str | None) -> None:
    assert installed_path(member, dist_info="demo-1.0.dist-info", name="demo") == place


@pytest.mark.parametrize(
    "member", ["demo-1.0.data/elsewhere/x", "demo-1.0.data/scripts", "demo-1.0.data/x", "../x", "/x"]
)
def test_members_without_a_place_are_refused(member: str) -> None:
    with pytest.raises(ValueError, match="member"):
        installed_path(member, dist_info="demo-1.0.dist-info", name="demo")


def test_all_members_at_once_have_the_places_that_each_has() -> None:
    members = ["a.py", "__pycache__/a.cpython-311.pyc", "__pycache__/b.cpython-311.pyc", "d-1.dist-info/RECORD"]
    members += ["d-1.data/scripts/run", "d-1.dist-info/WHEEL", "x.pyc"]
    every = {m: installed_path(m, dist_info="d-1.dist-info", name="d", members=members) for m in members}
    found = installed_paths(members, dist_info="d-1.dist-info", name="d")
    assert found == {member: place for member, place in every.items() if place is not None}
    assert "__pycache__/a.cpython-311.pyc" not in found
    assert found["__pycache__/b.cpython-311.pyc"] == "site/__pycache__/b.cpython-311.pyc"


def test_only_places_under_the_prefix_have_two_names() -> None:
    nested = "site/prefix/lib/python3.11/site-packages/x"
    assert canonical(nested) == nested
    assert canonical("prefix/lib/python3.11/site-packages/") == "prefix/lib/python3.11/site-packages/"
    assert canonical("prefix/lib64/python3.11/site-packages/x") == "site/x"
    assert canonical("prefix/lib/python3/dist-packages/x") == "prefix/lib/python3/dist-packages/x"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a/__pycache__/b.cpython-311.pyc", "a/b.py"),
        ("__pycache__/b.cpython-311.opt-1.pyc", "b.py"),
        ("a/__pycache__/b.c.cpython-311.pyc", "a/b.c.py"),
        ("a/b.pyc", None),
        ("a/b.py", None),
    ],
)
def test_cached_bytecode_belongs_to_a_source(path: str, source: str | None) -> None:
    assert bytecode_source(path) == source


def test_entry_points_are_module_and_function() -> None:
    data = b"[console_scripts]\nrun = demo.cli:main\nOther=demo:obj.call [extra]\n"
    data += b"[gui_scripts]\nwin=demo:gui\n[x]\ny=z\n"
    expected = {"bin/run": "demo.cli:main", "bin/Other": "demo:obj.call", "bin/win": "demo:gui"}
    assert entry_point_scripts(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"[console_scripts]\na/b = x:y\n",
        b"[console_scripts]\n.. = x:y\n",
        b"[console_scripts]\nrun = import os\n",
        b"[console_scripts]\nrun = x\n",
        b"[console_scripts]\nrun = x:y\nrun = x:z\n",
        b"run = x:y\n",
        b"\xff",
        b"[console_scripts]\ne p = x:y\n",  # pip makes a script of the last word
        b"[console_scripts]\nep[x] = x:y\n",
        b"[console_scripts]\nrun = x : y\n",
        b"[console_scripts]\nrun = x:y.\n",
        b"[console_scripts]\nrun = x:y [a b]\n",
        b"[console_scripts]\n;run = x:y\n",  # pip makes a script of that name, uv none
        b"[console_scripts] # c\nrun = x:y\n",
        b"[[console_scripts]]\nrun = x:y\n",
        b"[DEFAULT]\nrun = x:y\n[console_scripts]\n",
        b"[console_scripts]\nrun = x:y\n  more = x:z\n",
        b"[console_scripts]\rrun = x:y\r",
        b"[x]\na = b\n  c\n",
    ],
)
def test_entry_points_that_make_no_script_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"entry_points\.txt"):
        entry_point_scripts(data)


def test_only_the_word_python_right_behind_is_rewritten() -> None:
    assert is_python_script(b"#!python\n")
    assert is_python_script(b"#!pythonw -x\n")
    assert not is_python_script(b"#!/usr/bin/python\n")


def test_rows_that_may_be_repeated_count_once():
    rows = b"a.py,,\nINSTALLER,sha256=" + b"A" * 43 + b",1\nINSTALLER,,\n"
    with pytest.raises(ValueError, match="twice"):
        parse_record(rows)
    found = parse_record(rows, repeatable=lambda path: path == "INSTALLER")
    assert [(entry.path, entry.size) for entry in found] == [("a.py", None), ("INSTALLER", 1)]
