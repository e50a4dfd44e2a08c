"""`envctl diff` on targets, files and git revisions, in three forms."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.golden import assert_golden
from support.lockfiles import make_image, make_lockfile, make_package, put_lockfile
from support.project import envctl

from envctl.model.lockfile import Hook, Lockfile

MB = 10**6
OLD = make_lockfile(
    [
        make_package("numpy", "2.3.4", size=17 * MB),
        make_package("idna", "3.10"),
        make_package("torch", "2.9.0", size=200 * MB),
    ],
    image=make_image(env={"A": "1|2"}, packages=("libgomp1",)),
)
NEW = make_lockfile(
    [
        make_package("numpy", "2.4.0", size=18 * MB),
        make_package("triton", "3.5.0", size=155 * MB),
        make_package("torch", "2.9.0", size=880 * MB, salt="again"),
    ],
    variant="cuda",
    cuda="12.8",
    image=make_image(
        base="nvidia/cuda:12.8.1-base-ubuntu22.04@sha256:" + "0f6b" * 16, env={"A": "<b>`x`</b> \x1b[31m"}, user=10001
    ),
    hooks=(Hook(path="boot.pth", digest="sha256:" + "ab" * 32, package="triton"),),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    put_lockfile(tmp_path, OLD)
    put_lockfile(tmp_path, NEW)
    return tmp_path


def test_golden_text(project: Path) -> None:
    ran = envctl("-C", project, "diff", "train:cpu", "train:cuda")
    assert (ran.status, ran.err) == (1, "")
    assert_golden("diff.txt", ran.out)


def test_golden_markdown(project: Path) -> None:
    ran = envctl("-C", project, "diff", "train:cpu", "train:cuda", "--format", "markdown")
    assert (ran.status, ran.err) == (1, "")
    assert_golden("diff.md", ran.out)


def test_json_has_the_promised_keys(project: Path) -> None:
    ran = envctl("-C", project, "diff", "train:cpu", "train:cuda", "--format", "json")
    assert ran.status == 1
    assert ran.json["schema"] == "envctl.diff/1"
    assert ran.json["added"] == [{"name": "triton", "version": "3.5.0"}]
    assert ran.json["removed"] == [{"name": "idna", "version": "3.10"}]
    assert ran.json["changed"] == [{"name": "numpy", "from": "2.3.4", "to": "2.4.0"}]
    assert [row["name"] for row in ran.json["rebuilt"]] == ["torch"]
    assert ran.json["python"] is None
    assert ran.json["base"]["to"].startswith("nvidia/cuda:12.8.1")
    assert ran.json["sizes"] == [{"platform": "linux/amd64", "from": 217 * MB + 1000, "to": 1053 * MB}]
    assert (ran.json["old"], ran.json["new"], ran.json["equal"]) == ("train:cpu", "train:cuda", False)


def test_equal_lockfiles_exit_0(project: Path) -> None:
    ran = envctl("-C", project, "diff", "train:cpu", "profiles/locked/pylock.train-cpu.toml")
    assert ran == (0, "equal: train:cpu and profiles/locked/pylock.train-cpu.toml lock the same\n", "")
    assert envctl("-C", project, "diff", "train:cpu", "train:cpu", "--format", "json").json["equal"] is True
    assert "equal" in envctl("-C", project, "diff", "train:cpu", "train:cpu", "--format", "markdown").out


def git(project: Path, *arguments: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", *arguments], cwd=project, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(project: Path, lockfile: Lockfile) -> str:
    put_lockfile(project, lockfile)
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "lock")
    return git(project, "rev-parse", "HEAD")


def changed(version: str) -> Lockfile:
    return make_lockfile([make_package("numpy", version)])


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A repository whose project lies in a folder below its top; numpy moved in the last commit."""
    top = tmp_path / "repository"
    project = top / "team"
    project.mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    commit(project, changed("2.3.4"))
    git(project, "tag", "v1")
    commit(project, changed("2.4.0"))
    return project


@pytest.mark.parametrize("revision", ["HEAD~1", "v1", "main~1", "HEAD^", "HEAD@{1}", "v1^{commit}"])
def test_a_target_at_a_revision(history: Path, revision: str) -> None:
    ran = envctl("-C", history, "diff", f"train:cpu@{revision}", "train:cpu")
    assert ran.status == 1, ran.err
    assert "~ numpy  2.3.4 -> 2.4.0" in ran.out


def test_two_revisions_of_a_file_and_a_profile_name(history: Path) -> None:
    place = "profiles/locked/pylock.train-cpu.toml"
    assert envctl("-C", history, "diff", f"{place}@v1", f"{place}@HEAD").status == 1
    assert envctl("-C", history, "diff", "train@HEAD", "train").status == 0


def test_a_hook_of_git_that_runs_envctl_does_not_lead_it_astray(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert envctl("-C", history, "diff", "train:cpu@v1", "train:cpu").status == 1


@pytest.mark.parametrize(
    "revision",
    [
        "absent",
        "--help",
        "--output=pwned",
        "-h",
        "HEAD:x",
        "a b",
        "$(touch pwned)",
        ";touch pwned",
        "",
        "HEAD\n",
        "..",
        ":/lock",
    ],
)
def test_hostile_and_unknown_revisions_are_wrong_usage(history: Path, revision: str) -> None:
    ran = envctl("-C", history, "diff", f"train:cpu@{revision}", "train:cpu")
    assert ran.status == 2, ran
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    assert not list(history.rglob("pwned"))


def test_a_revision_before_the_lockfile_says_so(history: Path) -> None:
    put_lockfile(history, make_lockfile(profile="later"))
    ran = envctl("-C", history, "diff", "later:cpu@HEAD", "later:cpu")
    assert ran.status == 3
    assert "profiles/locked/pylock.later-cpu.toml: was not there at HEAD" in ran.err


def test_a_broken_lockfile_at_a_revision_is_invalid(history: Path) -> None:
    path = put_lockfile(history, changed("2.4.0"))
    path.write_text(path.read_text().replace('version = "2.4.0"', 'version = "2.5.0"'))
    git(history, "commit", "-qam", "edit by hand")
    put_lockfile(history, changed("2.4.0"))
    ran = envctl("-C", history, "diff", "train:cpu@HEAD", "train:cpu")
    assert ran.status == 3
    assert "contradicts itself" in ran.err


def test_outside_of_a_repository_a_revision_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    put_lockfile(tmp_path, OLD)
    ran = envctl("-C", tmp_path, "diff", "train:cpu@HEAD", "train:cpu")
    assert ran.status == 2
    assert "git cannot read a repository here" in ran.err


def test_without_git_a_revision_is_a_failed_tool(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(history))
    ran = envctl("-C", history, "diff", "train:cpu@HEAD", "train:cpu")
    assert ran.status == 5
    assert "git could not be started" in ran.err


def test_a_path_that_holds_an_at_sign_is_a_path(project: Path) -> None:
    path = project / "old@home.toml"
    path.write_bytes((project / "profiles/locked/pylock.train-cpu.toml").read_bytes())
    assert envctl("-C", project, "diff", "old@home.toml", "train:cpu").status == 0
