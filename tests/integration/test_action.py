"""The action for GitHub, the template for GitLab and the hooks for pre-commit, run as those run them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support import environments as env
from support.environments import SITE
from support.locked import PYTHON, lock
from support.project import Project, envctl
from support.workflows import ROOT, Action, Component

pytestmark = pytest.mark.campaign

ENVCTL = str(Path(sys.executable).parent / "envctl")
OFFERED = str(envctl("verify", "--help").out.split("--format [")[1].split("]")[0])
HOSTILE = [
    "\"; touch pwned; \"$(touch pwned)`touch pwned`'; touch pwned; '${{ github.token }} * \\ \x7f\x1b[2J",
    "x\ntouch pwned\nverdict=ok",
    "--format=json",
    "../../../etc/passwd",
]


class Site(NamedTuple):
    """A project with an environment, and a runner."""

    project: Project
    action: Action

    @property
    def folder(self) -> Path:
        return self.project.folder

    def verify(self, **inputs: str):
        return self.action.run("verify", self.folder, command=ENVCTL, **inputs)


@pytest.fixture
def site(project: Project, tmp_path: Path) -> Site:
    alpha = project.wheel("alpha", files={"alpha/__init__.py": b"", "alpha/core.py": b"X = 1\n"})
    lock(project, alpha)
    return Site(project, Action(tmp_path / "runner"))


def profiled(site: Site) -> Site:
    """The same with a profile of which the lockfile is made."""
    site.project.profile(f'python = "{PYTHON}"\ndependencies = ["alpha"]\n')
    assert site.project.run("lock").status == 0
    return site


@pytest.fixture
def synced(site: Site) -> Site:
    ended = site.action.run("Make the virtual environment", site.folder, command=ENVCTL, target="train")
    assert ended.status == 0, ended.log
    return site


def test_no_input_is_part_of_a_script(site: Site) -> None:
    for step in site.action.steps.values():
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        assert "uses" not in step
    assert all("default" in said and said["description"] for said in site.action.document["inputs"].values())


def test_what_is_right_passes(synced: Site) -> None:
    for inputs in ({}, {"target": "train", "strict": "false"}, {"subject": ".venv", "output": "out/r.json"}):
        ended = synced.verify(**inputs)
        report = inputs.get("output", "envctl-report")
        assert ended.status == 0, ended.log
        assert ended.outputs == {"verdict": "ok", "exit-code": "0", "report": report}
        assert ended.summary.startswith("### envctl verify\n\n    ok: .venv is train, byte for byte\n")
        assert json.loads((synced.folder / report).read_text())["verdict"] == "ok"


def test_every_format_of_the_command_is_one_of_the_action(synced: Site) -> None:
    for form in OFFERED.split("|"):
        ended = synced.verify(format=form, output=f"report.{form}")
        assert (ended.status, ended.outputs["verdict"]) == (0, "ok"), ended.log
        assert (synced.folder / f"report.{form}").stat().st_size > 0


def test_what_is_not_fails_and_says_what(synced: Site) -> None:
    venv = synced.folder / ".venv"
    (venv / SITE / "alpha/core.py").write_text("X = 2\n")
    (venv / SITE / "a\n\n# <b>`x`.py").write_text("")
    ended = synced.verify()
    assert (ended.status, ended.outputs["verdict"], ended.outputs["exit-code"]) == (1, "changed", "1")
    assert "ENV201  alpha/core.py" in ended.summary
    assert "ENV201  alpha/core.py" in ended.log
    lines = ended.summary.splitlines()
    assert lines[:2] == ["### envctl verify", ""]
    assert all(line.startswith("    ") or not line for line in lines[2:]), "all of it is shown as it stands"


def test_what_cannot_be_verified_has_no_verdict(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # another environment than the one that is meant
    for inputs, status in (({}, 2), ({"target": "nothing"}, 2), ({"location": "archive", "subject": "none.tar"}, 2)):
        ended = site.verify(**inputs)
        assert (ended.status, ended.outputs["verdict"]) == (status, ""), ended.log
        assert "error: " in ended.summary
        assert "report" not in ended.outputs


def test_a_stale_lockfile_is_told_in_the_summary(site: Site) -> None:
    check = "Check that lockfiles and Dockerfiles are fresh"
    ended = site.action.run(check, profiled(site).folder, command=ENVCTL)
    assert (ended.status, "    fresh: 1 target" in ended.summary) == (0, True), ended.log
    site.project.profile(f'python = "{PYTHON}"\ndependencies = ["alpha", "beta"]\n')
    ended = site.action.run(check, site.folder, command=ENVCTL)
    assert (ended.status, "    stale: train" in ended.summary) == (1, True), ended.log


@pytest.mark.parametrize("name", ["target", "subject", "output", "location", "format", "strict", "from"])
def test_hostile_inputs_stay_values(name: str, synced: Site) -> None:
    for value in HOSTILE if name in ("target", "subject", "output") else HOSTILE[:2]:
        if name == "output" and "/etc/" in value:
            continue  # a file outside of the project, which whoever writes the workflow may name
        ended = synced.verify(**{name: value})
        harmless = name == "from" or (name == "output" and value.isprintable())
        assert ended.status in ((0, 2) if harmless else (2, 3)), ended.log
        assert (ended.outputs.get("verdict", "") == "ok") == (ended.status == 0)
        assert set(ended.outputs) <= {"verdict", "exit-code", "report"}
        assert not (synced.folder / "pwned").exists()


def test_hostile_inputs_of_the_other_steps(site: Site) -> None:
    for value in HOSTILE:
        ended = site.action.run("Make the virtual environment", site.folder, command=ENVCTL, target=value)
        assert ended.status in (2, 3), ended.log
        ended = site.action.run("install", site.folder, python=value)
        assert (ended.status != 0, ended.outputs) == (True, {}), ended.log
        assert not (site.folder / "pwned").exists()


@pytest.mark.network
@pytest.mark.campaign
def test_it_installs_itself_outside_of_what_it_verifies(synced: Site) -> None:
    for value in HOSTILE:
        ended = synced.action.run("install", synced.folder, envctl=value)
        assert (ended.status != 0, ended.outputs) == (True, {}), ended.log
        assert not (synced.folder / "pwned").exists()
    ended = synced.action.run("install", synced.folder, python=sys.executable)
    assert ended.status == 0, ended.log
    own = ended.outputs["envctl"]
    assert re.fullmatch(r".*/runner/temp/envctl\.\w+/bin/envctl", own)
    ended = synced.action.run("verify", synced.folder, command=own)
    assert (ended.status, ended.outputs["verdict"]) == (0, "ok"), ended.log


def gitlab(site: Site, **inputs: str) -> tuple[int, str]:
    """The component's job with the envctl of this checkout, which is not installed again."""
    tool = site.folder.parent / "tools"
    if not tool.exists():
        tool.mkdir()
        # A python3 whose `venv` makes a folder with this envctl in it, and whose pip has nothing left to do.
        (tool / "python3").write_text(
            f'#!/bin/sh\nmkdir -p "$4/bin"\nln -sf {ENVCTL} "$4/bin/envctl"\n'
            f'printf "#!/bin/sh\\nprintf \'%%s\\\\n\' \\"\\$@\\" > {tool}/pip\\n" > "$4/bin/python"\n'
            'chmod +x "$4/bin/python"\n'
        )
        (tool / "python3").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tool}:/usr/local/bin:/usr/bin:/bin")
        return Component().run(site.folder, envctl=inputs.pop("envctl", "/srv/envctl.whl"), **inputs)


@pytest.mark.skipif("junit" not in OFFERED, reason="this envctl writes no JUnit")
def test_the_job_of_gitlab(site: Site) -> None:
    status, log = gitlab(profiled(site))
    assert status == 0, log
    assert (site.folder / "envctl-report.xml").read_text().startswith("<?xml")
    assert (site.folder.parent / "tools/pip").read_text().splitlines()[-2:] == ["--", "/srv/envctl.whl"]
    status, log = gitlab(site, target="train", strict="false", subject="other env")
    assert status == 0, log
    assert (site.folder / "other env/pyvenv.cfg").exists()
    site.project.profile(f'python = "{PYTHON}"\ndependencies = ["alpha", "beta"]\n')
    assert gitlab(site)[0] == 1
    for value in HOSTILE:
        for name in ("target", "location"):
            with pytest.raises(ValueError, match=name):
                Component().job(envctl="x", **{name: value})
    for name in ("subject", "envctl"):
        gitlab(site, **{name: HOSTILE[0]})
        assert not (site.folder / "pwned").exists()


def test_files_of_the_component_are_what_the_job_writes() -> None:
    job = Component().job(envctl="x")
    assert job["artifacts"]["paths"] == [job["artifacts"]["reports"]["junit"]] == ["envctl-report.xml"]
    assert "--output=envctl-report.xml" in job["script"][0]
    assert Component().inputs["envctl"].keys() == {"description"}, "there is no default place to take envctl from"


@pytest.mark.network
@pytest.mark.campaign
def test_the_hooks_for_pre_commit(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiled(site)
    source = tmp_path / "source"
    source.mkdir()
    for name in ("envctl", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "reader")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "reader@example")
    for folder in (source, site.folder):
        env.run("git", "init", "-q", folder)
        env.run("git", "-C", folder, "add", "-A", "-f")
        env.run("git", "-C", folder, "commit", "-q", "-m", "all")
    hooks = {"envctl-lock-check": "fresh: 1 target", "envctl-dockerfile-check": ""}

    def run(hook: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pre_commit", "try-repo", source, hook, "--all-files", "--verbose"],
            cwd=site.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    for hook, said in hooks.items():
        status, log = run(hook)
        assert (status, said in log) == (0, True), log
    site.project.profile(f'python = "{PYTHON}"\ndependencies = ["alpha", "beta"]\n')
    status, log = run("envctl-lock-check")
    assert (status, "stale: train" in log) == (1, True), log
