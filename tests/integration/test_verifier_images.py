"""The verifier in one file, in a container and over an archive: the word of envctl, from inside and from outside."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import verifier
from support.attacked import SITE, VENV, Victim

PYTHON = "/usr/bin/python3.11"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return verifier.write(tmp_path_factory.mktemp("single"))


def inside(
    victim: Victim, archive: Path, *args: str, python: str = f"{VENV}/bin/python3", image: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Run it as the image's own user, with nothing that could be written to; exit code and report."""
    done = victim.engine.run(
        *("run", "--rm", "--network=none", "--read-only", "--volume", f"{archive}:/v.pyz:ro"),
        *("--env", "HOME=/nowhere", "--entrypoint", python, image or victim.image),
        *("-I", "-S", "/v.pyz", "--format", "json", *args),
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("python", [PYTHON, f"{VENV}/bin/python3"])
def test_a_right_image_is_only_right_by_its_own_word(victim: Victim, archive: Path, python: str) -> None:
    status, found = inside(victim, archive, python=python)
    assert (status, found["verdict"], found["scope"], found["findings"]) == (7, "unverifiable", ["self"], [])
    assert found["subject"] == {"kind": "venv", "name": VENV, "digest": None}
    assert found["lock"]["file"] == "/opt/envctl/pylock.toml"
    status, found = inside(victim, archive, "--accept-self", python=python)
    assert (status, found["verdict"], found["scope"][-1], found["findings"]) == (0, "ok", "self", [])
    assert found["package_set"]["found"] == found["package_set"]["expected"]


def test_what_was_changed_is_found_from_inside_too(victim: Victim, archive: Path) -> None:
    changed = victim.derive(
        "single-changed",
        f"RUN echo >> {SITE}/alpha/core.py && touch {SITE}/sitecustomize.py \\\n"
        f" && echo \"import os; os.write(2, b'mark')\" > {SITE}/zz.pth",
    )
    status, found = inside(victim, archive, "--accept-self", image=changed)
    assert status == 1
    assert {(f["code"], f["path"]) for f in found["findings"]} == {
        ("ENV201", "alpha/core.py"),
        ("ENV401", "lib/python3.11/site-packages/sitecustomize.py"),
        ("ENV401", "lib/python3.11/site-packages/zz.pth"),
    }
    done = victim.engine.run(
        *("run", "--rm", "--network=none", "--volume", f"{archive}:/v.pyz:ro", "--entrypoint", f"{VENV}/bin/python3"),
        *(changed, "-I", "-S", "/v.pyz"),
        check=False,
    )
    assert (done.returncode, "mark" in done.stderr) == (1, False), "no hook of the environment has run"


def test_an_archive_is_told_as_envctl_tells_it(
    victim: Victim, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVCTL_INDEX_URL", victim.project.index.url)
    changed = victim.derive("single-saved", f"RUN echo >> {SITE}/alpha/core.py && echo x > /usr/lib/python3.11/evil.py")
    # The base's layers are told by a fetched folder: the file asks neither an engine nor a registry.
    fetched = tmp_path / "fetched"
    assert victim.project.run("fetch", "train", fetched).status == 0
    for image, status in ((victim.image, 0), (changed, 1)):
        saved = tmp_path / "saved.tar"
        victim.engine.run("save", "--output", saved, image)
        reports = []
        for command in ((sys.executable, "-m", "envctl", "verify"), (verifier.BASE, archive)):
            done = verifier.start(
                *(*command, "train", "--archive", saved, "--offline", "--from", fetched, "--format", "json"),
                cwd=victim.project.folder,
                env={"DOCKER_HOST": f"unix://{tmp_path}/no-engine"},
            )
            assert done.returncode == status, done.stderr + done.stdout
            reports.append(json.loads(done.stdout) | {"seconds": 0})
        assert reports[0] == reports[1]
