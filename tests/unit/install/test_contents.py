"""What an environment says that it holds, and how two sets of distributions differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.install.contents import Moved, Named, changes, editable_at, installed, python_version, source_folder

NAMES = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["1", "2"]))


def test_changes_are_added_removed_and_moved_by_name() -> None:
    found = changes({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    assert found.added == (Named("d", "1"),)
    assert found.removed == (Named("a", "1"),)
    assert found.changed == (Moved("b", "1", "2"),)


@given(NAMES, NAMES)
def test_applying_the_changes_gives_the_new_set(old: dict[str, str], new: dict[str, str]) -> None:
    found = changes(old, new)
    result = {name: version for name, version in old.items() if name not in {one.name for one in found.removed}}
    result |= {one.name: one.version for one in found.added}
    result |= {one.name: one.new for one in found.changed}
    assert result == new


def dist_info(venv: Path, name: str, **files: str) -> Path:
    folder = venv / "lib" / "python3.11" / "site-packages" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / f"{file}.json").write_text(text)
    return folder


def test_installed_reads_the_names_of_dist_info_folders(tmp_path: Path) -> None:
    for name in ("Foo_Bar-1.0.dist-info", "torch-2.9.0+cpu.dist-info", "broken.dist-info", "foo"):
        dist_info(tmp_path, name)
    assert installed(tmp_path) == {"foo-bar": "1.0", "torch": "2.9.0+cpu"}


def test_a_folder_without_packages_holds_none(tmp_path: Path) -> None:
    assert installed(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("home = /usr/bin\nversion = 3.11.2\n", "3.11.2"),
        ("version_info = 3.11.7\n", "3.11.7"),
        ("version_info = 3.11.7.final.0\nversion=3.9.1\n", "3.11.7"),
        ("home = /usr/bin\n", None),
        ("version = new\n", None),
        ("\xff\xfe", None),
    ],
)
def test_the_python_version_is_what_pyvenv_cfg_says(tmp_path: Path, text: str, expected: str | None) -> None:
    (tmp_path / "pyvenv.cfg").write_text(text, "latin-1")
    assert python_version(tmp_path) == expected


def test_without_pyvenv_cfg_there_is_no_version(tmp_path: Path) -> None:
    assert python_version(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"url": "file:///home/me/my%20project", "dir_info": {"editable": true}}', Path("/home/me/my project")),
        ('{"url": "https://index.example/x.whl"}', None),
        ("[]", None),
        ("{", None),
        ('{"url": 3}', None),
    ],
)
def test_the_source_folder_is_that_of_direct_url(tmp_path: Path, text: str, expected: Path | None) -> None:
    folder = dist_info(tmp_path, "mine-0.1.dist-info", direct_url=text)
    assert editable_at(tmp_path, "mine") == folder
    assert source_folder(folder) == expected


def test_what_was_installed_from_a_wheel_has_no_source(tmp_path: Path) -> None:
    folder = dist_info(tmp_path, "mine-0.1.dist-info")
    assert editable_at(tmp_path, "mine") is None
    assert source_folder(folder) is None
