"""The edge of the command line: closed streams, readers that go away, characters that a terminal would obey."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import Project, envctl

COMMAND = [sys.executable, "-m", "envctl"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "train.toml").write_text('python = "3.11.9"\n')
    return tmp_path


@pytest.mark.parametrize(
    "arguments", [["profile", "train"], ["--help"], ["lock", "--help"], ["--version"], ["lock", "--check"]]
)
def test_a_reader_that_went_away_is_141_and_no_finding(folder: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "-C", str(folder), *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("target", "status"), [("train", 0), ("other", 2)])
def test_streams_that_the_caller_closed_change_nothing(folder: Path, closed: str, target: str, status: int) -> None:
    before = (folder / "profiles" / "train.toml").read_bytes()
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "-C", str(folder), "profile", target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "profiles" / "train.toml").read_bytes() == before


def test_names_that_no_file_system_takes_are_refused_without_a_traceback(folder: Path) -> None:
    long = "x" * 5000
    for arguments in (["diff", f"{long}.toml", "train"], ["tree", f"{long}/x"], ["init", "y", "--from", f"{long}.txt"]):
        ran = envctl("-C", folder, *arguments)
        assert ran.status in (2, 3, 5), ran
        assert ran.err.startswith("error: ")
        assert "Traceback" not in ran.err


def test_no_message_moves_the_cursor_whatever_a_wheel_calls_its_files(project: Project) -> None:
    project.wheel("alpha", files={"alpha/__init__.py": b"", "al\x1b[31mpha.pth": b"import alpha\n"})
    project.profile('python = "3.11.9"\ndependencies = ["alpha"]\n')
    ran = project.run("lock")
    assert ran.status == 6  # no installer takes such a wheel
    assert "al\\x1b[31mpha.pth has a control character" in ran.err
    for arguments in (["lock", "\x1b[31m"], ["\x1b[31m"], ["lock", "--exclude-newer", "\x1b[31m"], ["tree", "a\tb"]):
        ran = project.run(*arguments)
        assert ran.status in (2, 3)
        assert all(line.isprintable() for line in ran.err.split("\n")), repr(ran.err)
