"""`envctl run --venv`: the program takes envctl's place, in the environment and in the project folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.lockfiles import make_lockfile, make_package, put_lockfile

from envctl.system.machine import host

SHOW = "import json, os, sys; print(json.dumps([sys.prefix, os.getcwd(), dict(os.environ), sys.argv[1:]]))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    commands = {"show": ("python", "-c", SHOW)}
    put_lockfile(
        tmp_path, make_lockfile([make_package("attrs")], variant=None, platforms=(str(host()),), commands=commands)
    )
    return tmp_path


def run(folder: Path, *args: object, **variables: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "envctl", "-C", str(folder), "run", "train", *map(str, args)]
    return subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables}
    )


def test_a_command_of_the_profile_runs_in_the_environment(folder):
    done = run(folder, "show", "--venv", "--", "--epochs", "3")
    prefix, place, variables, added = json.loads(done.stdout)
    assert (prefix, place, added) == (str(folder / ".venv"), str(folder), ["--epochs", "3"])
    assert variables["VIRTUAL_ENV"] == prefix
    assert variables["PATH"].split(os.pathsep)[0] == f"{prefix}/bin"


def test_variables_that_sway_imports_do_not_reach_it(folder):
    foreign = {"PYTHONPATH": "/evil", "PYTHONSTARTUP": "/evil", "PYTHONOPTIMIZE": "2", "CONDA_PREFIX": "/c"}
    variables = json.loads(run(folder, "--venv", "show", **foreign).stdout)[2]
    assert not foreign.keys() & variables.keys()


def test_a_variable_that_is_named_does(folder):
    done = run(folder, "--venv", "-e", "PYTHONUTF8=1", "-e", "TOKEN", "show", TOKEN="t")
    variables = json.loads(done.stdout)[2]
    assert (variables["PYTHONUTF8"], variables["TOKEN"]) == ("1", "t")


@pytest.mark.parametrize("spelled", [["--venv", "./other"], ["--venv=other"], ["--venv", "other/"]])
def test_another_environment_is_named_with_a_path(folder, spelled):
    venv.create(folder / "other", with_pip=False, symlinks=True)
    assert json.loads(run(folder, *spelled, "show").stdout)[0] == str(folder / "other")


def test_the_word_after_venv_is_a_name_unless_it_is_a_path(folder):
    assert run(folder, "--venv", "show").returncode == 0
    assert run(folder, "--venv", ".venv", "show").returncode == 0


@pytest.mark.parametrize("status", [0, 3, 125])
def test_the_exit_status_is_the_programs(folder, status):
    assert run(folder, "--venv", "--", "python", "-c", f"raise SystemExit({status})").returncode == status


def test_signals_reach_the_program_since_it_is_this_very_process(folder):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    line = [sys.executable, "-m", "envctl", "-C", str(folder), "run", "train", "--venv", "--", "python", "-c", code]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def test_an_environment_that_is_not_what_is_locked_is_not_used_with_verify(folder):
    done = run(folder, "--venv", "--verify", "show")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "changed: .venv is not train" in done.stderr


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--venv", "./missing", "show"], 2, "this is no virtual environment"),
        (["--venv"], 2, "there is nothing to run"),
        (["--venv", "--", "no-such-program"], 5, "there is no such program"),
        (["--venv", "--", "./profiles"], 5, "there is no such program"),
        (["--venv", "--mount", "show"], 2, "--mount is for containers"),
        (["--venv", "--gpus", "all", "show"], 2, "--gpus is for containers"),
        (["--venv", "-e", "NOT_SET_ANYWHERE", "show"], 2, "the variable is not set here"),
        (["--venv", "shw"], 2, "train has no command 'shw'"),
    ],
)
def test_what_cannot_be_run_is_said(folder, args, status, said):
    done = run(folder, *args)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("error: ")
    assert said in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
