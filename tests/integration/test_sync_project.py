"""The team's own package in a synced environment: built by its own backend, editable, followed when it changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.locked import lock
from support.project import Project

from envctl.model.lockfile import Project as OwnPackage

# A build backend of few lines, so that no index is needed: it lies in the project's own folder (PEP 517, PEP 660).
BACKEND = """
import base64, hashlib, os, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

get_requires_for_build_wheel = get_requires_for_build_editable

def _wheel(folder, files):
    info = "mine-0.1.dist-info"
    files = {
        **files,
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 0.1\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\nmine = mine:main\\n",
    }
    rows = []
    name = "mine-0.1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\\n".join([*rows, f"{info}/RECORD,,"]) + "\\n")
    return name

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"mine.pth": os.path.join(os.getcwd(), "src") + "\\n"})

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {"mine.py": open("src/mine.py").read()})
"""


def package(folder: Path, requires: str = "[]") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "src").mkdir()
    (folder / "src" / "mine.py").write_text("import sys\n\ndef main():\n    print('mine', sys.prefix)\n")
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "mine"\nversion = "0.1"\n'
    )
    return folder


@pytest.fixture
def locked(project: Project) -> Project:
    package(project.folder / "own package")
    lock(project, project.wheel("alpha"), own=OwnPackage(name="mine", path="own package"))
    return project


def mine(project: Project) -> str:
    return subprocess.run([project.folder / ".venv/bin/mine"], capture_output=True, text=True, check=True).stdout


def test_it_is_editable_and_its_script_works(locked: Project) -> None:
    done = locked.run("sync", "train")
    assert done.status == 0, done.err
    assert "mine from its sources" in done.out
    assert mine(locked) == f"mine {locked.folder}/.venv\n"
    (locked.folder / "own package/src/mine.py").write_text("def main():\n    print('edited')\n")
    assert mine(locked) == "edited\n"
    assert locked.run("sync", "train").out.startswith("ok: ")


def test_when_its_metadata_changes_it_is_installed_again(locked: Project) -> None:
    assert locked.run("sync", "train").status == 0
    later = time.time() + 10
    os.utime(locked.folder / "own package/pyproject.toml", (later, later))
    done = locked.run("sync", "train")
    assert done.out.startswith("replaced:")
    assert "own package changed since mine was installed" in done.out


def test_it_can_be_left_out_and_taken_in(locked: Project) -> None:
    assert locked.run("sync", "train", "--no-project").status == 0
    assert not (locked.folder / ".venv/bin/mine").exists()
    assert locked.run("sync", "train", "--no-project").out.startswith("ok: ")
    assert locked.run("sync", "train").out.startswith("replaced:")
    assert mine(locked) == f"mine {locked.folder}/.venv\n"
    assert locked.run("sync", "train", "--no-project").out.startswith("replaced:")


def test_without_editable_its_files_are_copied(locked: Project) -> None:
    lock(
        locked,
        locked.wheels / "alpha-1.0-py3-none-any.whl",
        own=OwnPackage(name="mine", path="own package", editable=False),
    )
    done = locked.run("sync", "train")
    assert done.status == 0, done.err
    (locked.folder / "own package/src/mine.py").write_text("def main():\n    print('edited')\n")
    assert mine(locked) == f"mine {locked.folder}/.venv\n"
    assert locked.run("sync", "train").out.startswith("ok: ")


def test_a_project_elsewhere_is_not_the_one_that_is_installed(locked: Project, tmp_path: Path) -> None:
    assert locked.run("sync", "train").status == 0
    package(locked.folder / "moved")
    lock(locked, locked.wheels / "alpha-1.0-py3-none-any.whl", own=OwnPackage(name="mine", path="moved"))
    done = locked.run("sync", "train")
    assert done.out.startswith("replaced:")
    shutil.rmtree(locked.folder / "own package")
    assert mine(locked) == f"mine {locked.folder}/.venv\n"


def test_a_missing_folder_is_said_before_anything_is_done(locked: Project) -> None:
    shutil.rmtree(locked.folder / "own package")
    done = locked.run("sync", "train")
    assert done.status == 2
    assert "own package: the project's own package mine is not there" in done.err
    assert "--no-project" in done.err
    assert not (locked.folder / ".venv").exists()
    assert locked.run("sync", "train", "--no-project").status == 0


def test_offline_without_its_build_backend_says_what_is_missing(locked: Project) -> None:
    assert locked.run("sync", "train").status == 0
    shutil.rmtree(locked.folder / ".venv")
    shutil.rmtree(locked.folder / "own package")
    package(locked.folder / "own package", requires='["a-backend-nobody-has"]')
    done = locked.run("sync", "train", "--offline")
    assert done.status == 5
    assert "the project's own package mine could not be installed" in done.err
    assert "a-backend-nobody-has" in done.err
    assert "without a network" in done.err
    assert not (locked.folder / ".venv").exists()


def test_a_build_that_fails_shows_what_it_says_and_leaves_nothing(locked: Project) -> None:
    (locked.folder / "own package/backend.py").write_text("raise SystemExit('this backend is broken')\n")
    done = locked.run("sync", "train")
    assert done.status == 5
    assert "this backend is broken" in done.err
    assert [entry.name for entry in locked.folder.iterdir() if "venv" in entry.name] == []
