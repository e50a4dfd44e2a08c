"""What a wheel installs, read from a whole file; and the wheels that are refused."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wheels import build_wheel, record_of

from envctl.errors import IndexFailed
from envctl.index.wheel import read_file


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused(wheel: Path) -> IndexFailed:
    with pytest.raises(IndexFailed) as caught:
        read_file(wheel)
    assert wheel.name in caught.value.what
    assert caught.value.exit_code == 6
    return caught.value


def test_every_file_has_its_place_and_digest(tmp_path: Path) -> None:
    wheel = build_wheel(
        tmp_path,
        "demo",
        files={"demo/__init__.py": b"x = 1\n", "demo/data.bin": b"\0" * 100},
        scripts={"tool": b"#!python\nprint(1)\n", "shell": b"#!/bin/sh\n"},
        data={"data/share/x": b"1", "headers/demo.h": b"2", "platlib/demo.so": b"3"},
        entry_points={"demo": "demo.cli:main"},
        requires=["numpy>=2", "torch; extra == 'gpu'"],
        provides_extra=["gpu"],
        requires_python=">=3.10",
    )
    content = read_file(wheel)
    expected = {
        "site/demo/__init__.py": sha(b"x = 1\n"),
        "site/demo/data.bin": sha(b"\0" * 100),
        "bin/tool": sha(b"print(1)\n"),
        "bin/shell": sha(b"#!/bin/sh\n"),
        "bin/demo": sha(b"demo.cli:main"),
        "prefix/share/x": sha(b"1"),
        "include/demo/demo.h": sha(b"2"),
        "site/demo.so": sha(b"3"),
    }
    files = content.manifest.files
    assert expected.items() <= files.items()
    rest = {path.rpartition("/")[2] for path in files.keys() - expected.keys()}
    assert rest == {"METADATA", "WHEEL", "entry_points.txt"}
    assert content.requires == ("numpy>=2", "torch; extra == 'gpu'")
    assert (content.requires_python, content.provides_extra, content.whole) == (">=3.10", ("gpu",), True)


def test_the_bytes_of_the_archive_do_not_matter_only_its_files(tmp_path: Path) -> None:
    one = build_wheel(tmp_path / "1", "demo", files={"a.py": b"1", "b.py": b"2"})
    two = build_wheel(
        tmp_path / "2", "demo", files={"b.py": b"2", "a.py": b"1"}, record="none", compression=zipfile.ZIP_STORED
    )
    assert one.read_bytes() != two.read_bytes()
    assert read_file(one).manifest == read_file(two).manifest


@pytest.mark.parametrize("record", ["sha256", "hex", "none"])
def test_digests_come_from_the_files_whatever_record_holds(tmp_path: Path, record: str) -> None:
    content = read_file(build_wheel(tmp_path, "demo", files={"demo.py": b"1"}, record=record))
    assert content.manifest.files["site/demo.py"] == sha(b"1")


def test_bytecode_with_its_source_does_not_count(tmp_path: Path) -> None:
    cached = {"__pycache__/a.cpython-311.pyc": b"1", "__pycache__/b.cpython-311.pyc": b"2", "c.pyc": b"3"}
    files = read_file(build_wheel(tmp_path, "demo", files={"a.py": b"", **cached})).manifest.files
    assert "site/__pycache__/a.cpython-311.pyc" not in files
    assert {"site/__pycache__/b.cpython-311.pyc", "site/c.pyc"} <= files.keys()


def test_records_of_vendored_distributions_are_ordinary_files(tmp_path: Path) -> None:
    nested = {"demo/_vendor/other-1.dist-info/RECORD": b"other.py,,\n", "demo/_vendor/other-1.dist-info/METADATA": b""}
    files = read_file(build_wheel(tmp_path, "demo", files=nested)).manifest.files
    assert {f"site/{name}" for name in nested} <= files.keys()


def test_signatures_need_no_row(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "demo", extra_members={"demo-1.0.dist-info/RECORD.jws": b"{}"})
    assert "site/demo-1.0.dist-info/RECORD.jws" not in read_file(wheel).manifest.files


def test_names_and_versions_are_compared_as_what_they_mean(tmp_path: Path) -> None:
    metadata = b"Metadata-Version: 2.1\nName: My.Demo_Thing\nVersion: 1.0.0\n"
    wheel = build_wheel(tmp_path, "my-demo-thing", "1.0", metadata=metadata)
    assert read_file(wheel).filename == "my_demo_thing-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "path",
    [
        "x.pth",
        "distutils-precedence.pth",
        "sitecustomize.py",
        "usercustomize.py",
        "sitecustomize/__init__.py",
        "sitecustomize.cpython-311-x86_64-linux-gnu.so",
        "usercustomize.abi3.so",
        "sitecustomize.pyc",
    ],
)
def test_code_that_runs_at_every_start_is_a_hook(tmp_path: Path, path: str) -> None:
    content = read_file(build_wheel(tmp_path, "demo", files={path: b"import os\n"}))
    assert content.hooks == {path: sha(b"import os\n")}


@pytest.mark.parametrize("member", ["purelib/x.pth", "platlib/x.pth", "data/lib/python3.11/site-packages/x.pth"])
def test_a_hook_that_comes_as_data_is_one_too(tmp_path: Path, member: str) -> None:
    assert read_file(build_wheel(tmp_path, "demo", data={member: b"1"})).hooks == {"x.pth": sha(b"1")}


@pytest.mark.parametrize(
    "path",
    ["demo/weights.pth", "sitecustomize/other.py", "demo/sitecustomize.py", "sitecustomize.txt", "sitecustomized.py"],
)
def test_other_files_are_no_hooks(tmp_path: Path, path: str) -> None:
    assert read_file(build_wheel(tmp_path, "demo", files={path: b"1"})).hooks == {}


def test_a_member_that_record_does_not_list_is_refused(tmp_path: Path) -> None:
    error = refused(build_wheel(tmp_path, "demo", extra_members={"evil.pth": b"import os"}))
    assert "evil.pth" in error.what
    assert "not in its RECORD" in error.what


def test_a_row_without_a_member_is_refused(tmp_path: Path) -> None:
    own = "demo-1.0.dist-info/RECORD"
    error = refused(build_wheel(tmp_path, "demo", files={}, record=record_of({"gone.py": b""}, own)))
    assert "RECORD" in error.what


@pytest.mark.parametrize("member", ["demo.py", "demo-1.0.dist-info/METADATA"])
def test_a_digest_unlike_record_is_refused(tmp_path: Path, member: str) -> None:
    good = build_wheel(tmp_path / "good", "demo", files={"demo.py": b"1"})
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    own = "demo-1.0.dist-info/RECORD"
    members[member] = members[member].swapcase()[:-1] + b"2"
    record = members.pop(own)
    info = {name.partition("/")[2]: data for name, data in members.items() if "/" in name}
    bad = build_wheel(tmp_path, "demo", files={"demo.py": members["demo.py"]}, dist_info=info, record=record)
    error = refused(bad)
    assert member in error.what
    assert "differs from its RECORD" in error.what
    assert (error.found or "").startswith("sha256 ")
    assert (error.expected or "").startswith("sha256 ")


def test_a_size_unlike_record_is_refused(tmp_path: Path) -> None:
    error = refused(
        build_wheel(tmp_path, "demo", files={"a.py": b"12"}, record=b"a.py,,3\ndemo-1.0.dist-info/RECORD,,\n")
    )
    assert "RECORD" in error.what
    wheel = build_wheel(tmp_path, "demo", files={"a.py": b"12"})
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("demo-1.0.dist-info/RECORD").replace(b",2\n", b",3\n")
    error = refused(build_wheel(tmp_path, "demo", files={"a.py": b"12"}, record=record))
    assert "another size" in error.what
    assert (error.found, error.expected) == ("2 bytes", "3 bytes")


@pytest.mark.parametrize("needed", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_without_its_texts_is_refused(tmp_path: Path, needed: str) -> None:
    good = build_wheel(tmp_path / "good", "demo")
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(tmp_path / good.name, "w") as goal:
        for name in source.namelist():
            if not name.endswith(needed):
                goal.writestr(name, source.read(name))
    assert f"has no {needed}" in refused(tmp_path / good.name).what


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"other-1.0.dist-info/METADATA": b""}, "not one .dist-info folder"),
        ({"Demo-1.0.dist-info/METADATA": b""}, "not one .dist-info folder"),
        ({"demo-1.0.DIST-INFO/METADATA": b""}, "not one .dist-info folder"),
        ({"../x": b""}, "leave the place"),
        ({"/x": b""}, "leave the place"),
    ],
)
def test_hostile_members_are_refused(tmp_path: Path, extra: dict[str, bytes], message: str) -> None:
    assert message in refused(build_wheel(tmp_path, "demo", extra_members=extra)).what


def test_an_archive_without_dist_info_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("demo.py", "")
    assert "not one .dist-info folder" in refused(tmp_path / "demo-1.0-py3-none-any.whl").what


@pytest.mark.parametrize(
    "filename", ["other-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl", "demo.zip", "demo-x-py3-none-any.whl"]
)
def test_a_wheel_of_another_name_or_version_is_refused(tmp_path: Path, filename: str) -> None:
    refused(build_wheel(tmp_path, "demo", filename=filename))
    metadata = b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    error = refused(build_wheel(tmp_path, "demo", metadata=metadata))
    assert (error.found, error.expected) == ("other 1.0", "demo 1.0")


@pytest.mark.parametrize(
    ("files", "data"),
    [
        ({"x.py": b"1"}, {"purelib/x.py": b"2"}),
        ({}, {"purelib/x.py": b"1", "platlib/x.py": b"1"}),
        ({}, {"scripts/run": b"1", "data/bin/run": b"1"}),
    ],
)
def test_two_members_for_one_place_are_refused(tmp_path: Path, files: dict[str, bytes], data: dict[str, bytes]) -> None:
    assert "another member has" in refused(build_wheel(tmp_path, "demo", files=files, data=data)).what


def test_a_script_and_an_entry_point_for_one_place_are_refused(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "demo", scripts={"run": b"#!python\n"}, entry_points={"run": "demo:main"})
    assert "bin/run" in refused(wheel).what


def test_a_file_where_a_folder_is_needed_is_refused(tmp_path: Path) -> None:
    assert "a file and a folder" in refused(build_wheel(tmp_path, "demo", files={"a": b"", "a/b.py": b""})).what


def test_an_unknown_scheme_is_refused(tmp_path: Path) -> None:
    error = refused(build_wheel(tmp_path, "demo", data={"elsewhere/x": b""}))
    assert "elsewhere" in (error.found or "")


@pytest.mark.parametrize("text", [b"[console_scripts]\na/b = x:y\n", b"[console_scripts]\nrun = os.system\n", b"\xff"])
def test_malformed_entry_points_are_refused(tmp_path: Path, text: bytes) -> None:
    assert "entry_points.txt" in refused(build_wheel(tmp_path, "demo", dist_info={"entry_points.txt": text})).what


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    error = refused(build_wheel(tmp_path, "demo", extra_members=[(link, b"/etc/passwd")]))
    assert "link.py" in error.what


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in str(_missing(tmp_path / "demo-1.0-py3-none-any.whl"))


def _missing(path: Path) -> IndexFailed:
    with pytest.raises(IndexFailed) as caught:
        read_file(path)
    return caught.value


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(
        tmp_path_factory.mktemp("fuzz"),
        "demo",
        files={"demo.py": b"x = 1\n" * 20},
        scripts={"run": b"#!python\npass\n"},
        entry_points={"go": "demo:go"},
    )


@settings(max_examples=400, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_wheel_with_one_byte_changed_is_refused_or_installs_the_same(
    ordinary: Path, place: float, value: int
) -> None:
    data = bytearray(ordinary.read_bytes())
    data[int(place * len(data))] ^= value
    changed = ordinary.parent / "changed.whl"
    changed.write_bytes(data)
    try:
        found: object = read_file(changed, filename=ordinary.name)
    except IndexFailed as error:
        found = error
    assert found == read_file(ordinary) or ordinary.name in str(found)
