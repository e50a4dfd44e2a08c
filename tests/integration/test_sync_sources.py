"""Where `envctl sync` takes wheels from, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from support.locked import lock, write
from support.project import Project
from support.wheels import build_wheel, sha256_of

from envctl.index.download import Store
from envctl.model.lockfile import Lockfile


@pytest.fixture
def locked(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    lock(project, project.wheel("alpha"), project.wheel("beta"))
    return project


def downloads(project: Project) -> list[str]:
    return [path for _, path, _ in project.index.requests if path.endswith(".whl")]


def remove_environment(project: Project) -> None:
    shutil.rmtree(project.folder / ".venv")


def test_wheels_come_from_the_index_once_and_from_the_cache_afterwards(locked: Project) -> None:
    assert locked.run("sync", "train").status == 0
    assert len(downloads(locked)) == 2
    remove_environment(locked)
    result = locked.run("sync", "train", "--format", "json").json
    assert result["downloaded"] == 0
    assert len(downloads(locked)) == 2


def test_offline_uses_the_cache_and_asks_nobody(locked: Project) -> None:
    assert locked.run("sync", "train").status == 0
    remove_environment(locked)
    asked = len(locked.index.requests)
    done = locked.run("sync", "train", "--offline")
    assert done.status == 0, done.err
    assert len(locked.index.requests) == asked


def test_offline_without_the_wheels_names_what_is_missing(locked: Project) -> None:
    done = locked.run("sync", "train", "--offline")
    assert done.status == 6
    assert "offline" in done.err
    assert ".whl" in done.err
    assert not (locked.folder / ".venv").exists()
    assert locked.index.requests == []


@pytest.mark.parametrize("damage", [b"", b"PK garbage"], ids=["truncated", "replaced"])
def test_a_damaged_wheel_in_the_cache_is_fetched_again(locked: Project, damage: bytes) -> None:
    assert locked.run("sync", "train").status == 0
    remove_environment(locked)
    wheel = locked.wheels / "alpha-1.0-py3-none-any.whl"
    stored = Store().place(sha256_of(wheel))
    stored.unlink()
    stored.write_bytes(damage)
    before = len(downloads(locked))
    assert locked.run("sync", "train").status == 0
    assert downloads(locked)[before:] == [path for path in downloads(locked)[before:] if "alpha" in path]
    assert len(downloads(locked)) == before + 1
    assert stored.read_bytes() == wheel.read_bytes()


def test_another_file_under_the_locked_name_is_refused(locked: Project, tmp_path: Path) -> None:
    other = build_wheel(tmp_path / "evil", "alpha", files={"alpha/__init__.py": b"import os\n"})
    locked.index.fault("/files/alpha-1.0", body=other.read_bytes())
    done = locked.run("sync", "train")
    assert done.status == 6
    assert "alpha-1.0-py3-none-any.whl" in done.err
    assert f"sha256 {sha256_of(other)}" in done.err or "size" in done.err or "too large" in done.err
    assert not (locked.folder / ".venv").exists()


def test_a_wheel_of_the_locked_sha256_with_other_content_is_refused(locked: Project) -> None:
    lockfile = locked.lockfile()
    wrong = "sha256:" + "1" * 64
    alpha = lockfile.packages[0]
    content = dict.fromkeys(alpha.content, wrong)
    tool = msgspec.structs.replace(alpha.tool, envctl=msgspec.structs.replace(alpha.tool.envctl, content=content))
    packages = (msgspec.structs.replace(alpha, tool=tool), *lockfile.packages[1:])
    write(locked, with_digest(msgspec.structs.replace(lockfile, packages=packages)))
    done = locked.run("sync", "train")
    assert done.status == 6
    assert "alpha-1.0-py3-none-any.whl does not install what was locked" in done.err
    assert not (locked.folder / ".venv").exists()


def with_digest(lockfile: Lockfile) -> Lockfile:
    from envctl.model.lockfile import Tools
    from envctl.model.manifest import environment_digest

    digest = environment_digest((p.name, p.version, p.content[p.wheels[0].name]) for p in lockfile.packages)
    envctl = msgspec.structs.replace(lockfile.envctl, package_set=dict.fromkeys(lockfile.envctl.package_set, digest))
    return msgspec.structs.replace(lockfile, tool=Tools(envctl=envctl))


def test_a_failing_index_leaves_the_old_environment(locked: Project) -> None:
    assert locked.run("sync", "train").status == 0
    marker = locked.folder / ".venv" / "bin" / "python"
    before = marker.lstat().st_ino
    lock(locked, locked.wheel("alpha", "2.0"))
    locked.index.fault("/files/alpha-2.0", status=404)
    done = locked.run("sync", "train")
    assert done.status == 6
    assert marker.lstat().st_ino == before
    assert [entry.name for entry in locked.folder.iterdir() if "envctl" in entry.name] == []


class TestFetchedFolder:
    @pytest.fixture
    def wheelhouse(self, locked: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "wheelhouse"
        assert locked.run("fetch", "train", folder).status == 0
        monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "another cache"))
        locked.index.requests.clear()
        return folder

    def test_it_suffices(self, locked: Project, wheelhouse: Path) -> None:
        done = locked.run("sync", "train", "--from", wheelhouse)
        assert done.status == 0, done.err
        assert locked.index.requests == []

    def test_it_suffices_where_the_project_has_no_lockfile(self, locked: Project, wheelhouse: Path) -> None:
        locked.lock_path().unlink()
        done = locked.run("sync", "train", "--from", wheelhouse)
        assert done.status == 0, done.err
        assert (locked.folder / ".venv").exists()

    def test_a_wheel_that_was_changed_on_the_way_is_refused(self, locked: Project, wheelhouse: Path) -> None:
        path = wheelhouse / "wheels" / "alpha-1.0-py3-none-any.whl"
        path.write_bytes(path.read_bytes() + b"\0")
        done = locked.run("sync", "train", "--from", wheelhouse)
        assert done.status == 6
        assert "alpha-1.0-py3-none-any.whl" in done.err

    def test_a_plain_folder_of_wheels_serves_too(self, locked: Project, wheelhouse: Path) -> None:
        done = locked.run("sync", "train", "--from", wheelhouse / "wheels")
        assert done.status == 0, done.err

    def test_a_folder_that_is_none_is_refused(self, locked: Project) -> None:
        done = locked.run("sync", "train", "--from", "missing")
        assert done.status == 2
        assert done.err.startswith(f"error: {locked.folder}/missing: there is no such folder")


class TestTarget:
    def test_several_profiles_need_a_name(self, locked: Project) -> None:
        lock(locked, locked.wheel("gamma"), target="serve")
        done = locked.run("sync")
        assert done.status == 2
        assert "expected: one of serve, train" in done.err

    def test_nothing_locked_says_what_to_do(self, project: Project) -> None:
        done = project.run("sync")
        assert done.status == 3
        assert "hint: `envctl lock`" in done.err

    def test_an_unknown_target_is_said(self, locked: Project) -> None:
        done = locked.run("sync", "trian")
        assert done.status == 2
        assert "did you mean train" in done.err

    def test_the_path_of_a_lockfile_is_a_target_too(self, locked: Project) -> None:
        assert locked.run("sync", "profiles/locked/pylock.train.toml").status == 0

    def test_a_variant_is_named_in_the_answer(self, locked: Project) -> None:
        lock(locked, locked.wheel("gamma"), target="serve:cpu")
        done = locked.run("sync", "serve:cpu", "--venv", "other")
        assert done.out.startswith("created: other is serve:cpu, and nothing else")
