"""`envctl lock --check` finds what is stale or edited, without a network."""

from __future__ import annotations

import pytest
from support.project import BASE, Project

IMAGE = f'python = "3.11.9"\ndependencies = ["alpha"]\n[image]\nbase = "{BASE}"\n'


@pytest.fixture
def locked(project: Project) -> Project:
    project.wheel("alpha", "1.0", requires=["beta"])
    project.wheel("beta", "2.0")
    project.wheel("uv", "0.13.8", tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    project.profile(IMAGE)
    assert project.run("lock").status == 0
    project.index.requests.clear()
    return project


def test_a_fresh_lockfile_passes_and_nobody_is_asked(locked):
    ran = locked.run("lock", "--check")
    assert (ran.status, ran.out) == (0, "fresh: 1 target\n")
    assert locked.index.requests == []


def test_a_missing_lockfile_is_stale(locked):
    locked.lock_path().unlink()
    ran = locked.run("lock", "--check")
    assert ran.status == 1
    assert ran.out.splitlines() == ["stale: train", "  profiles/locked/pylock.train.toml  is missing"]
    assert "`envctl lock train`" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version = "2.0"', 'version = "2.1"', "another distribution's"),
        ("beta-2.0-py3", "beta-2.1-py3", "another distribution's"),
        ('name = "beta" }', 'name = "gamma" }', "gamma, which alpha 1.0 needs, is not pinned"),
        (f'base = "{BASE}"', f'base = "{BASE.replace("8f8f", "9f9f")}"', "image"),
        ('requirements = ["alpha"]', 'requirements = ["alpha", "beta"]', 'holds "beta"'),
        ('inputs = "sha256:', 'inputs = "sha256:0', "64 hex digits"),
        ("source-date-epoch = 17", "source-date-epoch = 16", "edited by hand"),
    ],
)
def test_an_edited_lockfile_is_found(locked, old, new, message):
    text = locked.lock_path().read_text("utf-8")
    assert old in text
    locked.lock_path().write_text(text.replace(old, new), "utf-8")
    ran = locked.run("lock", "--check")
    assert ran.status == 1, ran.out + ran.err
    assert message in ran.out


def test_an_edited_dockerfile_is_found_and_written_again(locked):
    path = locked.folder / "profiles/locked/Dockerfile.train"
    path.write_bytes(path.read_bytes() + b"RUN echo hello\n")
    ran = locked.run("lock", "--check")
    assert ran.status == 1
    assert "profiles/locked/Dockerfile.train  is not what the lockfile renders to" in ran.out
    assert locked.run("lock").status == 0
    assert locked.run("lock", "--check").status == 0


def test_a_missing_dockerignore_is_found(locked):
    (locked.folder / "profiles/locked/Dockerfile.train.dockerignore").unlink()
    assert "Dockerfile.train.dockerignore  is missing" in locked.run("lock", "--check").out


def test_the_result_for_programs(locked):
    locked.profile(IMAGE.replace('"alpha"', '"alpha", "torch"'))
    ran = locked.run("lock", "--check", "--format", "json")
    assert ran.status == 1
    assert ran.json["schema"] == "envctl.check/1"
    assert ran.json["fresh"] is False
    assert ran.json["targets"][0]["reasons"][0]["place"] == "profiles/train.toml:2"


def test_comments_in_the_profile_are_no_change(locked):
    locked.profile("# a comment\n\n" + IMAGE)
    assert locked.run("lock", "--check").status == 0


def test_check_takes_no_upgrade(locked):
    assert locked.run("lock", "--check", "-U").status == 2
    assert locked.run("lock", "--resolve").status == 2


def test_resolving_again_finds_the_same(locked):
    ran = locked.run("lock", "--check", "--resolve")
    assert (ran.status, ran.err) == (0, "")
    assert locked.index.requests


def test_resolving_again_notes_newer_versions(locked):
    locked.wheel("beta", "3.0", upload_time="2026-02-01T00:00:00Z")
    ran = locked.run("lock", "--check", "--resolve")
    assert ran.status == 0
    assert "note: beta 3.0 is there for linux/amd64; 2.0 is locked" in ran.out


def test_resolving_again_finds_a_wheel_that_was_replaced_at_the_index(locked):
    locked.index.files["beta"].clear()
    locked.wheel("beta", "2.0", files={"beta/__init__.py": b"other\n"})
    ran = locked.run("lock", "--check", "--resolve")
    assert ran.status == 1
    assert "sha256" in ran.out


def test_resolving_again_finds_a_version_that_is_gone(locked):
    locked.index.files["beta"].clear()
    locked.wheel("beta", "1.0")
    ran = locked.run("lock", "--check", "--resolve")
    assert ran.status == 1
    assert "beta 2.0 for linux/amd64: the index resolves to 1.0" in ran.out
