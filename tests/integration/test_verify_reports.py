"""`envctl verify --format` on real environments: what each format says of them, and where it is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from support import environments as env
from support.environments import SITE, lock_for, sample_wheels, write_lock
from support.project import Ran, envctl

from envctl.model.lockfile import Policy

LOCK = "profiles/locked/pylock.train.toml"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> Path:
    venv = tmp_path_factory.mktemp("made") / "venv"
    return env.uv_install(env.uv_venv(venv, "--relocatable"), wheels, "--link-mode", "copy")


@pytest.fixture
def team(tmp_path: Path, wheels: list[Path], installed: Path) -> Path:
    """A project folder with a lockfile and its environment, in a folder of a repository."""
    (tmp_path / "repository/.git").mkdir(parents=True)
    folder = tmp_path / "repository/team"
    folder.mkdir()
    write_lock(folder, lock_for(wheels))
    env.copy_of(installed, folder / ".venv")
    return folder


_INSIDE = f"""
import sys
sys.path[:0] = {[path for path in sys.path if path]!r}
import pathlib
from envctl.commands.verify import verify
from envctl.report.json import render
print(render(verify(pathlib.Path(sys.argv[1]), environ={{}})))
"""


def schema() -> Any:
    shown = envctl("verify", "--schema")
    assert (shown.status, shown.err) == (0, "")
    return shown.json


def json_of(folder: Path, *options: str) -> Any:
    done = envctl("-C", folder, "verify", "--format", "json", *options)
    Draft202012Validator(schema()).validate(done.json)
    return done.json


def test_the_schema_that_is_shown_holds_for_every_verdict(team: Path) -> None:
    found = {json_of(team)["verdict"]}
    (team / ".venv/share").mkdir(exist_ok=True)
    (team / ".venv/share/x.txt").write_text("x")
    found.add(json_of(team)["verdict"])
    before = (team / ".venv" / SITE / "beta.py").read_bytes()
    (team / ".venv" / SITE / "beta.py").write_text("evil")
    report = json_of(team)
    found.add(report["verdict"])
    assert {state["name"]: state["verdict"] for state in report["packages"]} == {"alpha-tools": "ok", "beta": "changed"}
    (team / ".venv" / SITE / "beta.py").write_bytes(before)
    (team / ".venv/share/x.txt").unlink()
    own = subprocess.run(
        [team / ".venv/bin/python", "-B", "-c", _INSIDE, team], capture_output=True, text=True, check=False, env={}
    )
    report = json.loads(own.stdout)
    Draft202012Validator(schema()).validate(report)
    found.add(report["verdict"])
    assert found == {"ok", "untrusted", "changed", "unverifiable"}


def test_the_report_lists_every_package_with_its_size(team: Path, wheels: list[Path]) -> None:
    report = json_of(team)
    alpha, beta = report["packages"]
    assert (alpha["name"], alpha["expected"], alpha["found"], alpha["verdict"]) == ("alpha-tools", "1.0", "1.0", "ok")
    assert beta["expected"] == "2.0.post1"
    folder = team / ".venv" / SITE
    own = [folder / "beta.py", folder / "beta-hook.pth", folder / "ns/b/x.py"]
    own += list((folder / "beta-2.0.post1.dist-info").iterdir())
    assert (beta["files"], beta["bytes"]) == (len(own), sum(path.stat().st_size for path in own))
    write_lock(team, lock_for(wheels[:1]))
    extra = json_of(team)["packages"][1]
    assert (extra["expected"], extra["found"], extra["verdict"]) == (None, "2.0.post1", "untrusted")
    for path in own:
        path.unlink()
    write_lock(team, lock_for(wheels))
    missing = next(state for state in json_of(team)["packages"] if state["name"] == "beta")
    assert missing["verdict"] == "changed"


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("report.html", "<!doctype html>"),
        ("report.sarif", '{"$schema"'),
        ("report.sarif.json", '{"$schema"'),
        ("TEST-envctl.xml", "<?xml"),
        ("report.json", "{\n"),
        ("report.txt", "ok: .venv is train"),
        ("report", "ok: .venv is train"),
    ],
)
def test_a_files_ending_says_the_format(file: str, begins: str, team: Path) -> None:
    done = envctl("-C", team, "verify", "-o", file)
    assert (done.status, done.out) == (0, "")
    assert done.err.endswith(f" on .venv is in {file}\n")
    text = (team / file).read_text("utf-8")
    assert text.startswith(begins)
    assert text.endswith("\n")
    given = envctl("-C", team, "verify", "--format", "junit", "-o", file)
    assert "(junit)" in given.err
    assert (team / file).read_text("utf-8").startswith("<?xml"), "what is given wins"


def test_every_format_ends_with_the_same_exit_code_and_goes_to_standard_output(team: Path) -> None:
    (team / ".venv" / SITE / "beta.py").write_text("evil")

    def ended(form: str, *more: str) -> Ran:
        done = envctl("-C", team, "verify", "--format", form, *more)
        assert done.status == 1
        return done

    assert ElementTree.fromstring(ended("junit").out).attrib["failures"] == "1"
    assert ended("sarif").err == ended("html").err == ended("json").err == ""
    assert "beta.py" in ended("html", "-o", "-").out
    assert ended("text").err.startswith("hint: ")
    wrong = envctl("-C", team, "verify", "--format", "yaml")
    assert (wrong.status, wrong.out) == (2, "")


def test_sarif_points_to_lines_of_the_lockfile_and_of_the_profile(team: Path) -> None:
    (team / ".venv" / SITE / "beta.py").write_text("evil")
    (team / ".venv" / SITE / "zz.pth").write_text("import os; os.getcwd()")

    def places(target: str = "train") -> dict[str, tuple[str, str]]:
        (run,) = envctl("-C", team, "verify", target, "--format", "sarif").json["runs"]
        found = {}
        for result in run["results"]:
            place = result["locations"][0]["physicalLocation"]
            uri = place["artifactLocation"]["uri"]
            file = team.parent / uri
            line = file.read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
            found[result["ruleId"]] = (uri, line)
        return found

    lock = lock_for(sample_wheels(team.parent / "again"), policy=Policy(startup_hooks=("beta-hook.pth",)))
    write_lock(team, lock)
    found = places()
    assert found["ENV201"][0] == f"team/{LOCK}"
    assert found["ENV201"][1] == "[[packages]]"
    text = (team / LOCK).read_text("utf-8").splitlines()
    (run,) = envctl("-C", team, "verify", "--format", "sarif").json["runs"]
    (changed,) = [result for result in run["results"] if result["ruleId"] == "ENV201"]
    line = changed["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert text[line] == 'name = "beta"'
    assert "policy" in found["ENV401"][1]
    profile = 'python = "3.11"\n\n[policy]\nstartup-hooks = ["beta-hook.pth"]\n'
    (team / "profiles/train.toml").write_text(profile)
    assert places()["ENV401"] == ("team/profiles/train.toml", 'startup-hooks = ["beta-hook.pth"]')
    (team / "profiles/train.toml").write_text("broken = [")
    assert places(LOCK)["ENV401"][0] == f"team/{LOCK}"


def test_an_unusual_name_of_the_environment_breaks_no_format(team: Path) -> None:
    name = 'o<dd>&"\udcff\x1b[31m\n'
    (team / ".venv").rename(team / name)
    for form in ("json", "junit", "sarif", "html", "text"):
        done = envctl("-C", team, "verify", "--venv", name, "--format", form)
        assert done.status in (0, 1), done.err
        assert "\\udcff\\x1b[31m\\n" in done.out.replace("\\\\", "\\")
        assert "\x1b" not in done.out
        written = envctl("-C", team, "verify", "--venv", name, "--format", form, "-o", "out")
        assert written.status == done.status
        assert (team / "out").read_text("utf-8")


def test_a_file_that_cannot_be_written_is_said(team: Path) -> None:
    done = envctl("-C", team, "verify", "-o", ".venv/pyvenv.cfg/report.html")
    assert (done.status, done.out) == (5, "")
    assert "pyvenv.cfg" in done.err
