"""`envctl sync`: the environment holds exactly the lockfile, whatever stood there before."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.locked import PYTHON, change, lock
from support.project import Project

pytestmark = pytest.mark.campaign


def run(*command: object, **options: object) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tree(folder: Path) -> dict[str, bytes | str]:
    """Every file and link of an environment."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def locked(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a lockfile of two wheels, that have a script of each kind, and data; a cache of its own."""
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    alpha = project.wheel(
        "alpha",
        files={"alpha/__init__.py": b"import sys\n\ndef main():\n    print('alpha', sys.prefix)\n"},
        entry_points={"alpha": "alpha:main"},
        requires=["beta"],
    )
    beta = project.wheel(
        "beta",
        "2.0+cpu",
        scripts={"beta-tool": b"#!python\nimport beta, sys\nprint('beta', sys.prefix)\n"},
        data={"data/share/beta/notes.txt": b"notes\n"},
    )
    lock(project, alpha, beta)
    return project


@pytest.fixture
def env(locked: Project) -> Path:
    """Its environment, synced."""
    done = locked.run("sync", "train")
    assert done.status == 0, done.err
    return locked.folder / ".venv"


def site(env: Path) -> Path:
    return env / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


class TestNew:
    def test_it_holds_the_locked_wheels_and_works_in_its_place(self, env: Path) -> None:
        assert run(env / "bin/python", "-c", "import alpha, beta; print(beta.version)") == "2.0+cpu\n"
        assert run(env / "bin/alpha") == f"alpha {env}\n"
        assert run(env / "bin/beta-tool") == f"beta {env}\n"
        assert (env / "share/beta/notes.txt").read_text() == "notes\n"

    def test_activating_it_in_a_shell_names_its_place_and_target(self, env: Path) -> None:
        script = f"source {env}/bin/activate && echo $VIRTUAL_ENV $VIRTUAL_ENV_PROMPT && alpha && command -v python"
        assert run("bash", "-c", script) == f"{env} train\nalpha {env}\n{env}/bin/python\n"

    def test_it_has_nothing_else_and_no_trace_of_where_it_was_made(self, env: Path) -> None:
        names = {entry.name for entry in site(env).iterdir()}
        assert names == {"alpha", "alpha-1.0.dist-info", "beta", "beta-2.0+cpu.dist-info"}
        assert {p.name for p in (site(env) / "alpha-1.0.dist-info").iterdir()}.isdisjoint(
            {"direct_url.json", "uv_cache.json", "REQUESTED"}
        )
        assert not [path for path, content in tree(env).items() if b"envctl-" in bytes(str(content), "utf-8")]
        assert not [path for path in tree(env) if path.endswith(".pyc")]
        assert [entry.name for entry in env.parent.iterdir() if "envctl" in entry.name] == []

    def test_no_file_shares_its_content_with_a_cache(self, env: Path) -> None:
        assert [path for path in env.rglob("*") if path.is_file() and path.stat().st_nlink > 1] == []

    def test_nothing_in_it_may_be_written_by_everybody(self, env: Path) -> None:
        assert [p for p in env.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o002] == []

    def test_the_answer_comes_first_and_the_next_step_last(self, locked: Project) -> None:
        done = locked.run("sync", "train")
        assert done.out.splitlines()[0] == "created: .venv is train, and nothing else"
        assert done.out.splitlines()[1].startswith("  2 packages, ")
        assert f"Python {PYTHON}" in done.out
        assert done.err.splitlines()[-1] == f"hint: `source {locked.folder}/.venv/bin/activate`, `envctl verify train`"

    def test_as_json_it_tells_what_it_did(self, locked: Project) -> None:
        result = locked.run("sync", "train", "--format", "json").json
        assert result["schema"] == "envctl.sync/1"
        assert (result["target"], result["venv"], result["action"]) == ("train", ".venv", "created")
        assert result["added"] == [{"name": "alpha", "version": "1.0"}, {"name": "beta", "version": "2.0+cpu"}]
        assert result["python"]["version"] == PYTHON
        assert result["packages"] == 2
        assert result["downloaded"] > 0

    def test_the_target_may_be_left_out_where_one_is_locked(self, locked: Project) -> None:
        assert locked.run("sync").status == 0

    def test_another_place_is_named_with_venv(self, locked: Project, tmp_path: Path) -> None:
        done = locked.run("sync", "train", "--venv", tmp_path / "other" / "my env")
        assert done.status == 0, done.err
        python = tmp_path / "other" / "my env" / "bin" / "python"
        assert run(python, "-c", "import alpha; alpha.main()") == f"alpha {tmp_path}/other/my env\n"
        assert run(python.with_name("alpha")) == f"alpha {tmp_path}/other/my env\n"

    def test_an_empty_lockfile_gives_an_empty_environment(self, project: Project) -> None:
        lock(project)
        assert project.run("sync", "train").status == 0
        assert list(site(project.folder / ".venv").iterdir()) == []

    def test_with_bytecode_it_is_compiled_for_its_place(self, locked: Project) -> None:
        assert locked.run("sync", "train", "--compile-bytecode").status == 0
        env = locked.folder / ".venv"
        compiled = list(site(env).glob("alpha/__pycache__/*.pyc"))
        assert len(compiled) == 1
        assert str(site(env) / "alpha/__init__.py").encode() in compiled[0].read_bytes()
        assert locked.run("sync", "train").out.startswith("ok: ")

    def test_settings_of_the_machine_do_not_reach_the_installer(
        self, locked: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "uv").mkdir()
        (tmp_path / "uv" / "uv.toml").write_text('compile-bytecode = true\nlink-mode = "symlink"\n')
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
        monkeypatch.setenv("UV_LINK_MODE", "symlink")
        monkeypatch.setenv("UV_CONSTRAINT", str(tmp_path / "missing.txt"))
        monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("PYTHONHOME", str(tmp_path))
        assert locked.run("sync", "train").status == 0
        env = locked.folder / ".venv"
        assert not list(env.rglob("*.pyc"))
        assert not (site(env) / "alpha/__init__.py").is_symlink()


class TestExactAlready:
    def test_nothing_is_done(self, locked: Project, env: Path) -> None:
        before, asked = env.stat().st_ino, len(locked.index.requests)
        done = locked.run("sync", "train")
        assert done.out.splitlines()[0] == "ok: .venv is train already, and nothing else"
        assert env.stat().st_ino == before
        assert len(locked.index.requests) == asked

    def test_bytecode_that_python_wrote_is_no_drift(self, locked: Project, env: Path) -> None:
        run(env / "bin/python", "-c", "import alpha", env={"PATH": os.environ["PATH"]})
        assert list(site(env).glob("alpha/__pycache__/*.pyc"))
        assert locked.run("sync", "train").out.startswith("ok: ")


def _change(env: Path) -> None:
    (site(env) / "alpha/__init__.py").write_bytes(b"import sys\n\ndef main():\n    print('ALPHA', sys.prefix)\n")


def _remove(env: Path) -> None:
    (site(env) / "beta/__init__.py").unlink()


def _add(env: Path) -> None:
    (site(env) / "alpha/more.py").write_text("")


def _hook(env: Path) -> None:
    (site(env) / "boot.pth").write_text("import os\n")


def _install(env: Path) -> None:
    extra = site(env) / "gamma-3.0.dist-info"
    extra.mkdir()
    (extra / "METADATA").write_text("Metadata-Version: 2.1\nName: gamma\nVersion: 3.0\n")
    (extra / "RECORD").write_text("gamma-3.0.dist-info/METADATA,,\ngamma-3.0.dist-info/RECORD,,\n")


def _script(env: Path) -> None:
    path = env / "bin" / "alpha"
    path.write_text(path.read_text().replace("sys.exit", "print('hello'); sys.exit"))


def _data(env: Path) -> None:
    (env / "share/beta/notes.txt").write_text("other\n")


def _configuration(env: Path) -> None:
    path = env / "pyvenv.cfg"
    path.write_text(path.read_text().replace("packages = false", "packages = true"))


def _interpreter(env: Path) -> None:
    (env / "bin" / "python").unlink()
    (env / "bin" / "python").symlink_to("/nowhere/python3")


def _executable(env: Path) -> None:
    (env / "bin" / "alpha").chmod(0o644)


DRIFTS = [_change, _remove, _add, _hook, _install, _script, _data, _configuration, _interpreter, _executable]


class TestDrift:
    @pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.__name__.strip("_"))
    def test_whatever_changed_is_repaired(self, locked: Project, env: Path, drift) -> None:
        before = tree(env)
        drift(env)
        done = locked.run("sync", "train")
        assert done.status == 0, done.err
        assert done.out.startswith("replaced: .venv is train, and nothing else\n")
        after = tree(env)
        assert after.keys() == before.keys()
        assert {path for path in after if after[path] != before[path]} <= set()

    def test_what_differed_is_said(self, locked: Project, env: Path) -> None:
        _change(env)
        _install(env)
        done = locked.run("sync", "train", "--format", "json")
        assert done.json["repaired"] == ["alpha"]
        assert done.json["removed"] == [{"name": "gamma", "version": "3.0"}]
        assert any("alpha/__init__.py" in reason for reason in done.json["drift"])

    def test_another_lockfile_moves_versions(self, locked: Project, env: Path) -> None:
        lock(locked, locked.wheel("alpha", "1.1"), locked.wheel("gamma", "3.0"))
        done = locked.run("sync", "train")
        assert "  alpha  1.0 -> 1.1\n  beta   2.0+cpu  removed\n  gamma  3.0  new\n" in done.out
        assert run(env / "bin/python", "-c", "import alpha, gamma; print(alpha.version)") == "1.1\n"

    def test_a_dry_run_says_so_and_changes_nothing(self, locked: Project, env: Path) -> None:
        _change(env)
        before, asked = tree(env), len(locked.index.requests)
        done = locked.run("sync", "train", "--dry-run")
        assert done.out.startswith("would be replaced: .venv")
        assert "  alpha  files differed\n" in done.out
        assert tree(env) == before
        assert len(locked.index.requests) == asked

    def test_a_dry_run_without_an_environment_makes_none(self, locked: Project) -> None:
        done = locked.run("sync", "train", "--dry-run")
        assert done.status == 0
        assert done.out.startswith("would be created: .venv")
        assert not (locked.folder / ".venv").exists()

    def test_an_environment_that_venv_made_with_a_seeded_pip_is_replaced(self, locked: Project) -> None:
        env = locked.folder / ".venv"
        venv.create(env, with_pip=True)
        assert locked.run("sync", "train").status == 0
        assert not list(site(env).glob("pip*"))
        assert run(env / "bin/alpha") == f"alpha {env}\n"

    def test_an_environment_of_another_python_is_replaced(self, locked: Project, env: Path) -> None:
        path = env / "pyvenv.cfg"
        path.write_text(path.read_text().replace(f"version_info = {PYTHON}", "version_info = 3.77.1"))
        done = locked.run("sync", "train")
        assert done.out.startswith("replaced:")
        assert "  Python is 3.77.1\n" in done.out
        assert f"version_info = {PYTHON}" in path.read_text()

    @pytest.mark.parametrize("umask", [0o000, 0o027])
    def test_the_umask_of_the_shell_is_kept_but_nobody_else_may_write(self, locked: Project, umask: int) -> None:
        before = os.umask(umask)
        try:
            assert locked.run("sync", "train").status == 0
        finally:
            assert os.umask(before) == umask
        mode = (site(locked.folder / ".venv") / "alpha" / "__init__.py").stat().st_mode
        assert mode & 0o777 == 0o666 & ~(umask | 0o002)
        assert locked.run("sync", "train").out.startswith("ok: ")

    def test_an_environment_behind_a_link_is_replaced_where_it_is(self, locked: Project, tmp_path: Path) -> None:
        real = tmp_path / "disk" / "env"
        venv.create(real, with_pip=False)
        (locked.folder / ".venv").symlink_to(real)
        assert locked.run("sync", "train").status == 0
        assert (locked.folder / ".venv").is_symlink()
        assert run(real / "bin/alpha") == f"alpha {real}\n"


class TestLeftAlone:
    def test_a_folder_that_is_no_environment(self, locked: Project) -> None:
        (locked.folder / "data").mkdir()
        (locked.folder / "data" / "thesis.txt").write_text("years of work")
        done = locked.run("sync", "train", "--venv", "data")
        assert done.status == 2
        assert done.err.startswith("error: data: is no virtual environment, so it is left alone\n")
        assert tree(locked.folder / "data") == {"thesis.txt": b"years of work"}

    def test_a_file(self, locked: Project) -> None:
        (locked.folder / ".venv").write_text("mine")
        done = locked.run("sync", "train")
        assert done.status == 2
        assert (locked.folder / ".venv").read_text() == "mine"

    def test_the_environment_that_envctl_runs_from(self, locked: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        env = locked.folder / ".venv"
        venv.create(env, with_pip=False)
        monkeypatch.setattr(sys, "prefix", str(env))
        done = locked.run("sync", "train")
        assert done.status == 2
        assert "envctl itself runs from this environment" in done.err

    def test_a_mount_point(self, locked: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        (locked.folder / ".venv").mkdir()
        monkeypatch.setattr(Path, "is_mount", lambda path: path.name == ".venv")
        done = locked.run("sync", "train")
        assert done.status == 2
        assert "is a mount point" in done.err
        assert list((locked.folder / ".venv").iterdir()) == []

    def test_a_platform_that_is_not_locked(self, project: Project) -> None:
        lock(project, platforms=("darwin/arm64",))
        done = project.run("sync", "train")
        assert done.status == 2
        assert "train is not locked for linux/" in done.err
        assert "hint: add " in done.err


class TestPython:
    def test_another_patch_release_is_a_note(self, locked: Project) -> None:
        change(locked, locked.lockfile(), python=python_like("99"))
        done = locked.run("sync", "train", "--offline")
        assert done.status == 6, "the wheels are not in the cache yet"
        done = locked.run("sync", "train", "--python", sys.executable)
        assert done.status == 0, done.err
        assert f"note: Python is {PYTHON}, not the locked {minor()}.99" in done.err
        again = locked.run("sync", "train", "--offline")
        assert again.out.startswith("ok: ")
        assert "note: Python is" in again.err

    def test_no_python_of_that_version_is_an_error_with_a_way_out(self, locked: Project) -> None:
        change(locked, locked.lockfile(), python=python_like("0", minor="3.77"))
        path = locked.lock_path()
        path.write_text(path.read_text().replace(f"=={minor()}.*", "==3.77.*"))
        done = locked.run("sync", "train", "--offline")
        assert done.status == 5
        assert "there is no Python 3.77 on this machine" in done.err
        assert "--python PATH" in done.err

    def test_the_base_of_an_environment_is_used_never_the_environment(self, locked: Project, tmp_path: Path) -> None:
        venv.create(tmp_path / "other", with_pip=False)
        assert locked.run("sync", "train", "--python", tmp_path / "other" / "bin" / "python").status == 0
        home = (locked.folder / ".venv" / "pyvenv.cfg").read_text()
        assert str(tmp_path / "other") not in home

    def test_a_python_of_another_version_is_refused(self, locked: Project, tmp_path: Path) -> None:
        fake = tmp_path / "python"
        answer = (
            '{"version": "3.77.0", "implementation": "cpython", "free_threaded": false,'
            ' "debug": false, "base": "/x", "machine": "x86_64", "bits": 64}'
        )
        fake.write_text(f"#!/bin/sh\necho '{answer}'\n")
        fake.chmod(0o755)
        done = locked.run("sync", "train", "--python", fake)
        assert done.status == 2
        assert "found:    3.77.0" in done.err

    @pytest.mark.parametrize("kind", ["missing", "no python", "fails"])
    def test_what_is_no_python_is_refused(self, locked: Project, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "python"
        if kind != "missing":
            path.write_text("#!/bin/sh\n" + ("echo hello\n" if kind == "no python" else "echo broken >&2; exit 3\n"))
            path.chmod(0o755)
        done = locked.run("sync", "train", "--python", path)
        assert done.status == (2 if kind == "missing" else 5)
        assert str(path) in done.err


def minor() -> str:
    return ".".join(PYTHON.split(".")[:2])


def python_like(patch: str, minor: str | None = None):
    from envctl.model.lockfile import Python

    return Python(version=f"{minor or '.'.join(PYTHON.split('.')[:2])}.{patch}")
