"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.attacked import victim
from support.engine import sessions
from support.engine.client import Engine
from support.project import Project
from support.server import IndexServer

# A slow moment of a busy machine proves nothing; what failed must be had again elsewhere.
__all__ = ["victim"]  # one image for all tests of a session

settings.register_profile("here", deadline=None, print_blob=True)
settings.load_profile("here")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so do shells start what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a machine's configuration may say of Python, its installers and envctl: none of it may decide a test.
_FOREIGN = ("PIP_", "UV_", "PYTHON", "ENVCTL_", "VIRTUAL_ENV", "LD_")
_KEPT = ("PYTHONWARNINGS", "ENVCTL_GOLDEN", "PYTHONPATH")
_STARTED_IN = dict(os.environ)


@pytest.fixture(autouse=True)
def _clean_machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", _STARTED_IN.get("PATH", os.defpath))
    sessions.use(request.getfixturevalue("engine") if "engine" in request.fixturenames else None, monkeypatch)
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "envctl-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))  # no mirrors of the machine's
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A real container engine with a registry and base images; a test that has it finds it as a user's shell would."""
    yield from sessions.serve(request.config, _STARTED_IN)


@pytest.fixture
def index() -> Iterator[IndexServer]:
    """A package index on loopback."""
    with IndexServer() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, index: IndexServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project folder whose default index is the `index` fixture."""
    monkeypatch.setenv("ENVCTL_INDEX_URL", index.url)
    return Project(tmp_path / "project", index)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker("engine")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before a worker of xdist starts."""
    sessions.tell_worker(node.config, node.workerinput)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: what it needs has to be there. The engine ends with the last that uses it."""
    sessions.end(session.config, _STARTED_IN)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
