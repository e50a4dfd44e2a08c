"""`envctl tree` and `envctl completion`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.lockfiles import make_lockfile, make_package, put_lockfile
from support.project import envctl

STACK = make_lockfile(
    [
        make_package("numpy", "2.3.4"),
        make_package("pandas", "2.3.3", needs=("numpy", "tz")),
        make_package("seaborn", "0.13", needs=("numpy", "pandas")),
        make_package("tz", "2026.1"),
    ],
    requirements=("seaborn", "pandas>=2"),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    put_lockfile(tmp_path, STACK)
    return tmp_path


def test_the_whole_tree(project: Path) -> None:
    ran = envctl("-C", project, "tree", "train:cpu")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "train:cpu: 4 packages, 2 asked for",
        "pandas 2.3.3",
        "├── numpy 2.3.4",
        "└── tz 2026.1",
        "seaborn 0.13",
        "├── numpy 2.3.4",
        "└── pandas 2.3.3 (*)",
        "(*) its needs are shown above",
    ]


def test_depth(project: Path) -> None:
    lines = envctl("-C", project, "tree", "train:cpu", "--depth", "0").out.splitlines()
    assert lines[1:] == ["pandas 2.3.3 …", "seaborn 0.13 …", "… more below: a greater --depth shows it"]
    assert envctl("-C", project, "tree", "train:cpu", "--depth", "-1").status == 2
    assert envctl("-C", project, "tree", "train:cpu", "numpy", "--depth", "1").status == 2


def test_every_chain_to_a_package(project: Path) -> None:
    assert envctl("-C", project, "tree", "train", "NumPy").out.splitlines() == [
        "numpy 2.3.4 is not asked for itself, but needed by 2 packages",
        "  pandas 2.3.3 -> numpy 2.3.4   (pandas>=2)",
        "  seaborn 0.13 -> numpy 2.3.4   (seaborn)",
        "  seaborn 0.13 -> pandas 2.3.3 -> numpy 2.3.4   (seaborn)",
    ]
    assert envctl("-C", project, "tree", "train", "pandas").out.splitlines()[:2] == [
        "pandas 2.3.3 is asked for, and needed by 1 package",
        "  pandas 2.3.3   (pandas>=2)",
    ]


def test_more_chains_than_are_shown_are_counted(tmp_path: Path) -> None:
    names = [f"root-{n}" for n in range(30)]
    packages = [make_package(name, needs=("numpy",)) for name in names] + [make_package("numpy")]
    put_lockfile(tmp_path, make_lockfile(packages, requirements=tuple(names)))
    assert envctl("-C", tmp_path, "tree", "train", "numpy").out.splitlines()[-1] == "  and 10 more"


def test_json(project: Path) -> None:
    answer = envctl("-C", project, "tree", "train:cpu", "--format", "json").json
    assert answer["schema"] == "envctl.tree/1"
    assert answer["roots"] == ["pandas", "seaborn"]
    assert answer["packages"][1] == {
        "name": "pandas",
        "version": "2.3.3",
        "needs": ["numpy", "tz"],
        "needed_by": ["seaborn"],
        "asked": ["pandas>=2"],
    }
    chains = envctl("-C", project, "tree", "train:cpu", "tz", "--format", "json").json
    assert chains["package"]["name"] == "tz"
    assert chains["chains"][0] == [{"name": "pandas", "version": "2.3.3"}, {"name": "tz", "version": "2026.1"}]
    assert (chains["more"], chains["counted"]) == (0, True)


def test_an_unknown_package_is_wrong_usage_with_the_nearest_name(project: Path) -> None:
    ran = envctl("-C", project, "tree", "train:cpu", "nunpy")
    assert ran.status == 2
    assert "'nunpy' is not in the lockfile of train:cpu" in ran.err
    assert "hint: did you mean numpy?" in ran.err
    assert "envctl tree train:cpu" in envctl("-C", project, "tree", "train:cpu", "qqqq").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_command_and_its_variable(shell: str) -> None:
    ran = envctl("completion", shell)
    assert (ran.status, ran.err) == (0, "")
    assert f"_ENVCTL_COMPLETE={shell}_complete" in ran.out
    interpreter = shutil.which(shell)
    if interpreter is not None:
        subprocess.run([interpreter, "-n"], input=ran.out, text=True, check=True, capture_output=True)


def test_bash_completes_commands(tmp_path: Path) -> None:
    script = tmp_path / "completion.sh"
    script.write_text(envctl("completion", "bash").out)
    code = f"""
        PATH={Path(sys.executable).parent}:$PATH
        source {script}
        COMP_LINE="envctl tr" COMP_POINT=9
        _envctl_completion envctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tree"]


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert envctl("completion", "csh").status == 2


@pytest.mark.parametrize("command", ["dockerfile", "diff", "tree", "completion"])
def test_help_ends_with_two_examples(command: str) -> None:
    ran = envctl(command, "--help")
    assert ran.status == 0
    lines = ran.out.rstrip().splitlines()
    assert all(line.strip().startswith(f"envctl {command}") for line in lines[-2:])
    assert lines[-3].strip() == "Examples:"
