"""`envctl fetch`: everything that sync needs of a target, in a folder that others may use too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support.locked import lock
from support.project import Project
from support.wheels import build_wheel, sha256_of

from envctl.model.lockfile import Installer


@pytest.fixture
def locked(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    lock(project, project.wheel("alpha"), project.wheel("beta"))
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wheelhouse"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_folder_has_the_wheels_the_lockfile_and_an_index(locked: Project, folder: Path) -> None:
    done = locked.run("fetch", "train", folder)
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == f"fetched: {folder} has all of train"
    assert done.err.splitlines()[-1] == f"hint: `envctl sync train --from {folder}`"
    wheels = ["wheels/alpha-1.0-py3-none-any.whl", "wheels/beta-1.0-py3-none-any.whl"]
    assert names(folder) == ["fetch.json", "pylock.train.toml", *wheels]
    assert (folder / "pylock.train.toml").read_bytes() == locked.lock_path().read_bytes()
    index = json.loads((folder / "fetch.json").read_text())
    assert index["schema"] == "envctl.fetch/1"
    digest = hashlib.sha256(locked.lock_path().read_bytes()).hexdigest()
    assert index["targets"]["train"]["digest"] == f"sha256:{digest}"
    for wheel in wheels:
        entry = index["wheels"][Path(wheel).name]
        assert entry["sha256"] == sha256_of(folder / wheel)
        assert entry["size"] == (folder / wheel).stat().st_size
        assert entry["content"].startswith("sha256:")


def test_as_json_it_tells_what_it_did(locked: Project, folder: Path) -> None:
    result = locked.run("fetch", "train", folder, "--format", "json").json
    assert result["schema"] == "envctl.fetch/1"
    assert (result["target"], result["wheels"], result["downloaded"] > 0) == ("train", 2, True)


def test_run_again_it_downloads_nothing_and_replaces_what_is_wrong(locked: Project, folder: Path) -> None:
    assert locked.run("fetch", "train", folder).status == 0
    path = folder / "wheels" / "alpha-1.0-py3-none-any.whl"
    right = path.read_bytes()
    path.unlink()  # it may be one file with that of the cache
    path.write_bytes(right[:100])
    asked = len(locked.index.requests)
    assert locked.run("fetch", "train", folder).status == 0
    assert path.read_bytes() == right
    assert len(locked.index.requests) == asked


def test_files_of_others_stay(locked: Project, folder: Path) -> None:
    (folder / "wheels").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "wheels" / "other-1.0-py3-none-any.whl").write_text("mine")
    assert locked.run("fetch", "train", folder).status == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "wheels" / "other-1.0-py3-none-any.whl").read_text() == "mine"


def test_two_targets_share_a_folder(locked: Project, folder: Path) -> None:
    lock(locked, locked.wheel("gamma"), locked.wheels / "beta-1.0-py3-none-any.whl", target="serve:cpu")
    assert locked.run("fetch", "train", folder).status == 0
    assert locked.run("fetch", "serve:cpu", folder).status == 0
    index = json.loads((folder / "fetch.json").read_text())
    assert sorted(index["targets"]) == ["serve:cpu", "train"]
    assert sorted(index["wheels"]) == [f"{name}-1.0-py3-none-any.whl" for name in ("alpha", "beta", "gamma")]
    assert (folder / "pylock.serve-cpu.toml").is_file()


def test_wheels_that_no_target_needs_any_more_go_but_not_those_of_the_other_target(
    locked: Project, folder: Path
) -> None:
    lock(locked, locked.wheels / "beta-1.0-py3-none-any.whl", target="serve")
    assert locked.run("fetch", "train", folder).status == 0
    assert locked.run("fetch", "serve", folder).status == 0
    lock(locked, locked.wheel("alpha", "2.0"))
    assert locked.run("fetch", "train", folder).status == 0
    assert [n for n in names(folder) if n.startswith("wheels/")] == [
        "wheels/alpha-2.0-py3-none-any.whl",
        "wheels/beta-1.0-py3-none-any.whl",
    ]


def test_two_targets_that_need_different_files_of_one_name_are_told(
    locked: Project, folder: Path, tmp_path: Path
) -> None:
    assert locked.run("fetch", "train", folder).status == 0
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    other = build_wheel(tmp_path / "rebuilt", "alpha", files={"alpha/__init__.py": b"other = 1\n"})
    lock(locked, other, target="serve")
    done = locked.run("fetch", "serve", folder)
    assert done.status == 2
    assert "serve and train need two different files named alpha-1.0-py3-none-any.whl" in done.err
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_all_platforms_are_fetched_unless_some_are_named(project: Project, folder: Path) -> None:
    lock(project, project.wheel("alpha"), platforms=("linux/amd64", "linux/arm64"))
    assert project.run("fetch", "train", folder, "--format", "json").json["platforms"] == ["linux/amd64", "linux/arm64"]
    one = project.run("fetch", "train", folder, "--platform", "linux/arm64", "--format", "json").json
    assert one["platforms"] == ["linux/arm64"]


@pytest.mark.parametrize("platform", ["linux/riscv64", "darwin/arm64", "x"])
def test_a_platform_that_is_not_locked_is_refused(locked: Project, folder: Path, platform: str) -> None:
    done = locked.run("fetch", "train", folder, "--platform", platform)
    assert done.status == 2
    assert platform in done.err
    assert not folder.exists()


def test_an_index_of_somebody_else_is_not_overwritten(locked: Project, folder: Path) -> None:
    folder.mkdir()
    (folder / "fetch.json").write_text('{"mine": true}')
    done = locked.run("fetch", "train", folder)
    assert done.status == 3
    assert "was not written by `envctl fetch`" in done.err
    assert (folder / "fetch.json").read_text() == '{"mine": true}'


def test_a_file_in_the_way_is_refused(locked: Project, folder: Path) -> None:
    folder.write_text("mine")
    done = locked.run("fetch", "train", folder)
    assert done.status == 2
    assert folder.read_text() == "mine"


def test_a_failing_index_leaves_the_index_of_the_folder_as_it_was(locked: Project, folder: Path) -> None:
    assert locked.run("fetch", "train", folder).status == 0
    before = (folder / "fetch.json").read_bytes()
    lock(locked, locked.wheel("alpha", "2.0"))
    locked.index.fault("/files/alpha-2.0", status=500)
    done = locked.run("fetch", "train", folder)
    assert done.status == 6
    assert (folder / "fetch.json").read_bytes() == before
    assert [name for name in names(folder) if name.endswith(".part")] == []


class TestInstaller:
    @pytest.fixture
    def with_installer(self, locked: Project) -> Project:
        wheel = locked.wheel("uv", "9.9.9")
        pin = Installer(name="uv", version="9.9.9", sha256={"linux/amd64": sha256_of(wheel)})
        lock(locked, locked.wheels / "alpha-1.0-py3-none-any.whl", platforms=("linux/amd64",), installer=pin)
        return locked

    def test_it_comes_along(self, with_installer: Project, folder: Path) -> None:
        assert with_installer.run("fetch", "train", folder).status == 0
        assert "wheels/uv-9.9.9-py3-none-any.whl" in names(folder)
        index = json.loads((folder / "fetch.json").read_text())
        assert index["targets"]["train"]["installer"] == ["uv-9.9.9-py3-none-any.whl"]

    def test_it_is_not_fetched_twice(self, with_installer: Project, folder: Path) -> None:
        assert with_installer.run("fetch", "train", folder).status == 0
        asked = len(with_installer.index.requests)
        assert with_installer.run("fetch", "train", folder).status == 0
        assert len(with_installer.index.requests) == asked
        assert "wheels/uv-9.9.9-py3-none-any.whl" in names(folder)

    def test_an_index_without_it_is_an_error(self, with_installer: Project, folder: Path) -> None:
        pin = Installer(name="uv", version="9.9.9", sha256={"linux/amd64": "1" * 64})
        lock(
            with_installer,
            with_installer.wheels / "alpha-1.0-py3-none-any.whl",
            platforms=("linux/amd64",),
            installer=pin,
        )
        done = with_installer.run("fetch", "train", folder)
        assert done.status == 6
        assert "has not the wheel of uv 9.9.9" in done.err
