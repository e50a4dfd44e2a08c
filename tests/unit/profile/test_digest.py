from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from envctl.model.target import Target
from envctl.profile import load

BASE = {
    "train.toml": 'python = "3.11"\nrequirements = ["r.in"]\ndependencies = ["numpy"]\nproject.path = "."\n',
    "r.in": "scipy\n-c c.txt\n",
    "c.txt": "scipy<2\n",
    "pyproject.toml": '[project]\nname = "a"\ndependencies = ["x"]\n',
}


def digest(write, **changed: str) -> str:
    texts = {**BASE, **{name.replace("__", "."): text for name, text in changed.items()}}
    return load(write(texts), Target("train")).digest


def test_the_digest_is_the_same_for_ever(write) -> None:
    assert digest(write) == "sha256:bb8635e56e7985300fbbe778ef55d9d8186bc45a7b2d3691c48741700e09ece8"


@pytest.mark.parametrize(
    "changed",
    [
        {"train__toml": BASE["train.toml"] + 'description = "for people"'},
        {"train__toml": "# a comment\n\n" + BASE["train.toml"]},
        {
            "train__toml": BASE["train.toml"]
            + 'platforms = ["linux/amd64"]\nlibc = "glibc 2.28"\nresolver.backend = "uv"'
        },
        {"r__in": "# a comment\n\nscipy   # why\n-c c.txt"},
        {"r__in": "scipy \\\n\n-c ./c.txt"},
        {"pyproject__toml": BASE["pyproject.toml"] + "[tool.other]\nx = 1"},
    ],
)
def test_what_decides_nothing_does_not_change_the_digest(write, changed) -> None:
    assert digest(write, **changed) == digest(write)


@pytest.mark.parametrize(
    "changed",
    [
        {"train__toml": BASE["train.toml"].replace("3.11", "3.12")},
        {"train__toml": BASE["train.toml"] + 'constraints = ["numpy<3"]'},
        {"train__toml": BASE["train.toml"] + 'image.base = "python:3.11"'},
        {"train__toml": BASE["train.toml"] + "policy.startup-hooks = []"},
        {"train__toml": BASE["train.toml"] + "project.editable = false"},
        {"train__toml": BASE["train.toml"] + 'resolver.exclude-newer = "7 days"'},
        {"r__in": "scipy>=1\n-c c.txt"},
        {"c__txt": "scipy<3\n"},
        {"pyproject__toml": BASE["pyproject.toml"].replace('"x"', '"y"')},
        {"pyproject__toml": BASE["pyproject.toml"].replace('"a"', '"b"')},
    ],
)
def test_what_decides_the_lockfile_changes_the_digest(write, changed) -> None:
    assert digest(write, **changed) != digest(write)


def test_the_machine_does_not_change_the_digest(write, tmp_path) -> None:
    before = digest(write)
    elsewhere = tmp_path / "another place"
    shutil.copytree(tmp_path / "profiles", elsewhere / "profiles")
    for name in ("r.in", "c.txt", "pyproject.toml"):
        shutil.copy(tmp_path / name, elsewhere / name)
    os.utime(elsewhere / "r.in", (0, 0))
    environment = {
        "HOME": str(elsewhere),
        "TZ": "Pacific/Auckland",
        "LC_ALL": "tr_TR.UTF-8",
        "USER": "somebody",
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "envctl", "-C", str(elsewhere), "profile", "train", "--format", "json"],
        env=environment,
        umask=0o077,
        cwd="/",
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["inputs"] == before


def test_inheriting_gives_the_same_digest_as_saying_it_at_once(write) -> None:
    alone = digest(write)
    first, _, rest = BASE["train.toml"].partition("\n")
    assert digest(write, base__toml=first, train__toml=f'extends = ["base"]\n{rest}') == alone
