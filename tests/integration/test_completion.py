"""Tab: commands, options, and what is in the project, in bash, zsh and fish."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.project import envctl

pytestmark = pytest.mark.campaign

TRAIN = 'extends = ["base"]\npython = "3.11"\n[variants.cuda]\ncuda = "12.8"\n'
LOCK = 'lock-version = "1.0"\n\n[[packages]]\nname = "numpy"\n\n[[packages]]\nname = "numba"\n'


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A project with variants of its own and inherited, a broken profile, and a lockfile."""
    profiles = tmp_path / "team" / "profiles"
    (profiles / "locked").mkdir(parents=True)
    (profiles / "base.toml").write_text("[variants.cpu]\n")
    (profiles / "train.toml").write_text(TRAIN)
    (profiles / "serve.toml").write_text('python = "3.11"\n')
    (profiles / "broken.toml").write_text("python = [\n")
    (profiles / "locked" / "pylock.train-cpu.toml").write_text(LOCK)
    return profiles.parent


def bash(line: str, folder: Path) -> list[str]:
    """What bash offers behind a line."""
    script = f"""
        source <(envctl completion bash)
        COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
        _envctl_completion envctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return _run(["bash", "--norc", "-c", script], folder, {}).split()


def zsh(line: str, folder: Path) -> list[str]:
    """What envctl tells zsh behind a line: type, value and help by turns."""
    words = line.split(" ")
    told = _run(["envctl"], folder, _asked("zsh", line, str(len(words) - 1))).strip().splitlines()
    return [value for kind, value in zip(told[::3], told[1::3], strict=True) if kind == "plain"]


def fish(line: str, folder: Path) -> list[str]:
    """What envctl tells fish behind a line."""
    told = _run(["envctl"], folder, _asked("fish", line, line.rpartition(" ")[2])).splitlines()
    offered = [value.partition(",") for value in told]
    return [value.partition("\t")[0] for kind, _, value in offered if kind == "plain"]


def _asked(shell: str, words: str, current: str) -> dict[str, str]:
    return {"_ENVCTL_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": current}


def _run(command: list[str], folder: Path, env: dict[str, str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, **env}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


SHELLS = pytest.mark.parametrize("shell", [bash, zsh, fish])


@SHELLS
def test_commands_and_options_are_offered(shell, team):
    assert shell("envctl ve", team) == ["verify", "verifier"]
    assert shell("envctl lock --up", team) == ["--upgrade", "--upgrade-package", "--upgrade-base"]
    assert shell("envctl diff --format m", team) == ["markdown"]


@SHELLS
def test_targets_are_offered_with_inherited_variants(shell, team):
    assert shell("envctl sync ", team) == ["broken", "serve", "train:cpu", "train:cuda"]
    assert shell("envctl verify tr", team) == ["train:cpu", "train:cuda"]
    assert shell("envctl diff serve s", team) == ["serve"]


@pytest.mark.parametrize("shell", [zsh, fish])
def test_targets_are_offered_behind_their_colon(shell, team):
    assert shell("envctl lock train:c", team) == ["train:cpu", "train:cuda"]


def test_bash_is_given_what_comes_behind_the_colon_where_it_breaks_words(team):
    assert bash("envctl lock train:", team) == ["cpu", "cuda"]
    assert bash("envctl lock serve train:cu", team) == ["cuda"]
    assert bash("envctl -C . lock serve -P n", team) == ["numba", "numpy"]


@SHELLS
def test_packages_and_codes_are_offered(shell, team):
    assert shell("envctl tree train:cpu num", team) == ["numba", "numpy"]
    assert shell("envctl explain ENV40", team) == [f"ENV40{number}" for number in range(1, 8)]


@SHELLS
def test_another_project_folder_is_heard(shell, team, tmp_path):
    assert shell("envctl -C team profile tr", tmp_path) == ["train:cpu", "train:cuda"]


@SHELLS
@pytest.mark.parametrize("line", ["envctl lock ", "envctl -C /nowhere sync ", "envctl tree x "])
def test_nothing_to_offer_is_no_error(shell, line, tmp_path):
    assert shell(line, tmp_path) == []


@SHELLS
def test_what_cannot_be_read_is_no_error(shell, team):
    (team / "profiles" / "latin.toml").write_bytes(b'description = "\xe9"\npython = "3.11"\n')
    (team / "profiles" / "deep.toml").write_text("a = " + "[" * 5000)
    (team / "profiles" / "odd.toml").write_text('extends = "base"\nvariants = 3\npython = 1\n')
    (team / "profiles" / "round.toml").write_text('extends = ["round", "absent", 7]\npython = "3.11"\n')
    (team / "profiles" / "gone.toml").symlink_to("nowhere.toml")
    offered = ["broken", "deep", "latin", "odd", "round", "serve", "train:cpu", "train:cuda"]
    assert shell("envctl lock ", team) == offered


def test_a_hundred_profiles_are_offered_in_the_time_of_a_key_press(team):
    for number in range(100):
        (team / "profiles" / f"many{number}.toml").write_text(TRAIN)
    started = time.monotonic()
    assert len(zsh("envctl lock many", team)) == 200
    assert time.monotonic() - started < 1.0


def test_folders_and_files_are_left_to_the_shell(team):
    asked = _asked("fish", "envctl sync --venv x", "x")
    assert _run(["envctl"], team, asked) == "dir,x\n"
    asked = _asked("fish", "envctl diff profiles/l", "profiles/l")
    assert _run(["envctl"], team, asked) == "file,profiles/l\n"


def test_scripts_are_what_the_shells_load():
    assert envctl("completion", "bash").out.rstrip().endswith("complete -o nosort -F _envctl_completion envctl")
    assert "compdef _envctl_completion envctl" in envctl("completion", "zsh").out
    assert "complete --no-files --command envctl" in envctl("completion", "fish").out
