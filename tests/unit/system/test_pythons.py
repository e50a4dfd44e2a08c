"""Finding interpreters: the exact one, another patch release, none; and what is never taken."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import venv
from pathlib import Path

import pytest

from envctl.errors import ToolFailed, UsageError
from envctl.system import pythons, uv
from envctl.system.pythons import Interpreter, ask, find, given, installed

VERSION = platform.python_version()
MINOR = ".".join(VERSION.split(".")[:2])
ANSWER = {
    "version": "3.77.5",
    "implementation": "cpython",
    "free_threaded": False,
    "debug": False,
    "base": "/opt/python",
    "machine": "x86_64",
    "bits": 64,
}


def fake(path: Path, **answer: object) -> Path:
    """A program that answers as an interpreter would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps({**ANSWER, **answer})}'\n")
    path.chmod(0o755)
    return path


class TestAsk:
    def test_of_an_environment_the_interpreter_below_it(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "env", with_pip=False)
        found = ask(tmp_path / "env" / "bin" / "python")
        assert found.version == VERSION
        assert not found.path.is_relative_to(tmp_path)

    def test_startup_hooks_of_an_environment_do_not_run(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "env", with_pip=False)
        (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
        (site / "boot.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
        ask(tmp_path / "env" / "bin" / "python")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ({"free_threaded": True}, "a free-threaded build"),
            ({"debug": True}, "a debug build"),
            ({"bits": 32}, "32-bit"),
            ({"implementation": "pypy"}, "pypy"),
        ],
    )
    def test_builds_that_need_other_wheels_are_refused(
        self, tmp_path: Path, answer: dict[str, object], said: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            ask(fake(tmp_path / "python", **answer))
        assert caught.value.found == said

    def test_what_cannot_be_started_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "python").write_text("")
        with pytest.raises(ToolFailed):
            ask(tmp_path / "python")


class TestGiven:
    def test_the_folder_of_an_environment_will_do(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "env", with_pip=False)
        assert given(tmp_path / "env", VERSION).version == VERSION

    def test_another_patch_release_will_do(self, tmp_path: Path) -> None:
        assert given(fake(tmp_path / "python"), "3.77.1") == Interpreter(path=Path("/opt/python"), version="3.77.5")

    def test_another_minor_release_will_not(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="another Python than the locked one"):
            given(fake(tmp_path / "python"), "3.76.1")

    def test_nothing_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="names no interpreter"):
            given(tmp_path / "python", VERSION)


class TestInstalled:
    def test_the_exact_one_is_found(self) -> None:
        found = installed(VERSION)
        assert found is not None
        assert found.version == VERSION

    def test_else_another_patch_release(self) -> None:
        found = installed(f"{MINOR}.99")
        assert found is not None
        assert found.version.startswith(f"{MINOR}.")

    def test_an_active_environment_is_not_the_base(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        venv.create(tmp_path / "env", with_pip=False)
        monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
        monkeypatch.setenv("PATH", f"{tmp_path / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}")
        found = installed(VERSION)
        assert found is not None
        assert not found.path.is_relative_to(tmp_path)

    @pytest.mark.parametrize(
        ("variable", "below"),
        [("PYENV_ROOT", "versions"), ("MISE_DATA_DIR", "installs/python"), ("ASDF_DATA_DIR", "installs/python")],
    )
    def test_version_managers_are_searched_newest_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, below: str
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path))
        for version in ("3.77.9", "3.77.10", "3.76.1", "system"):
            fake(tmp_path / below / version / "bin" / "python", version=version, base=f"/opt/{version}")
        assert installed("3.77.9") == Interpreter(path=Path("/opt/3.77.9"), version="3.77.9")
        assert installed("3.77.1") == Interpreter(path=Path("/opt/3.77.10"), version="3.77.10")


class TestFind:
    def test_without_downloads_nothing_is_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pythons, "fetch", lambda *_, **__: pytest.fail("fetched"))
        with pytest.raises(ToolFailed, match=r"there is no Python 3\.77 on this machine") as caught:
            find("3.77.1", downloads=False)
        assert "--offline" in str(caught.value)

    def test_the_exact_one_is_fetched_where_another_patch_release_is_at_hand(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exact = Interpreter(path=Path("/opt/exact"), version=f"{MINOR}.99")
        monkeypatch.setattr(pythons, "fetch", lambda *_, **__: exact)
        assert find(f"{MINOR}.99", downloads=True) == exact

    def test_a_failed_fetch_is_not_repeated_within_the_hour(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
        asked = []
        monkeypatch.setattr(pythons, "fetch", lambda wanted, **_: asked.append(wanted))
        for _ in range(2):
            assert find(f"{MINOR}.98", downloads=True).version.startswith(MINOR)
        assert asked == [f"{MINOR}.98"]
        past = time.time() - 2 * pythons.FETCH_AGAIN_SECONDS
        os.utime(pythons._failure(f"{MINOR}.98"), (past, past))
        find(f"{MINOR}.98", downloads=True)
        assert len(asked) == 2

    def test_a_fetch_that_takes_too_long_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = tmp_path / "uv"
        slow.write_text("#!/bin/sh\nexec sleep 60\n")
        slow.chmod(0o755)
        monkeypatch.setattr(uv, "binary", lambda: slow)
        begin = time.monotonic()
        assert pythons.fetch("3.77.1", timeout=0.2) is None
        assert time.monotonic() - begin < 10


class TestEnvironment:
    def test_what_would_sway_installers_is_gone_and_the_network_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
        monkeypatch.setenv("UV_INDEX_URL", "https://index.example")
        monkeypatch.setenv("PYTHONPATH", "/x")
        monkeypatch.setenv("VIRTUAL_ENV", "/x")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("SSL_CERT_FILE", "/certificates")
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", "https://index.example/python")
        env = uv.clean_environment()
        assert {"PIP_INDEX_URL", "UV_INDEX_URL", "PYTHONPATH", "VIRTUAL_ENV", "UV_PYTHON_INSTALL_MIRROR"}.isdisjoint(
            env
        )
        assert env["HTTPS_PROXY"] == "http://127.0.0.1:1"
        assert env["SSL_CERT_FILE"] == "/certificates"
        assert "UV_PYTHON_INSTALL_MIRROR" in uv.clean_environment(keep=uv.PYTHON_SOURCES)

    def test_a_missing_uv_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing() -> str:
            raise FileNotFoundError("uv")

        uv._binary.cache_clear()
        monkeypatch.setattr("uv.find_uv_bin", missing)
        with pytest.raises(ToolFailed, match="uv is missing"):
            uv.binary()


def test_this_interpreter_is_one() -> None:
    assert ask(Path(sys.executable)).version == VERSION


@pytest.mark.parametrize(("wanted", "known"), [("3.11.9", True), ("3.11.99", False), ("2.7.18", False)])
def test_uv_knows_without_a_network_what_it_could_fetch(wanted, known):
    assert pythons.fetchable(wanted) is known
