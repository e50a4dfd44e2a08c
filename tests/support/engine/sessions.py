"""The engine in a pytest session: started when the first test asks, shared by the workers, ended by the last session.

An engine that `make engine` started stays. One that a session started ends with the last session that uses it; so does
every engine where CI is set. A session is known by its controlling process: what its workers start, that one ends.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.engine import setup
from support.engine.client import Engine, default_work
from support.engine.place import Place, Unavailable

FOREIGN = ("DOCKER_", "BUILDX_", "BUILDKIT_", "COMPOSE_")  # what a machine may say of engines


def serve(config: pytest.Config, environ: Mapping[str, str]) -> Iterator[Engine]:
    """The body of the fixture `engine`; `environ` is the environment that pytest was started in."""
    place = Place(default_work(environ))
    try:
        _join(place, _controller(config))
        state = setup.up(place, environ, keep=False)
    except Unavailable as reason:
        pytest.skip(f"no container engine: {reason}")
    engine = Engine(state, environ, f"t{uuid.uuid4().hex[:8]}")
    with pytest.MonkeyPatch.context() as patch:
        use(engine, patch)
        yield engine
    if not environ.get("CI"):  # there the engine ends with the session, and nobody comes after it
        engine.clean()


def use(engine: Engine | None, patch: pytest.MonkeyPatch) -> None:
    """Let this process find that engine as a user's shell would, and no other; without one, none by its environment."""
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            patch.delenv(name)
    for name, value in engine.settings.items() if engine else ():
        patch.setenv(name, value)


def tell_worker(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Tell a worker of xdist whose session it belongs to."""
    workerinput["engine_session"] = _controller(config)


def end(config: pytest.Config, environ: Mapping[str, str]) -> None:
    """At the end of a session, in its controlling process: end the engine where nobody else needs it."""
    place = Place(default_work(environ))
    if hasattr(config, "workerinput") or not _lease(place, os.getpid()).exists():
        return
    with place.locked():
        _lease(place, os.getpid()).unlink()
        state = place.read()
        kept = state is not None and state.kept and not environ.get("CI")
        if not kept and not _users(place):
            setup.stop(place)


def _controller(config: pytest.Config) -> int:
    given: dict[str, int] = getattr(config, "workerinput", {})
    return given.get("engine_session", os.getpid())


def _join(place: Place, pid: int) -> None:
    # Before `up` takes its lock: a session that ends meanwhile sees it, or has stopped all before `up` looks.
    lease = _lease(place, pid)
    try:
        lease.parent.mkdir(parents=True, exist_ok=True)
        lease.write_text(_began(pid))
    except OSError as error:
        raise Unavailable(f"cannot write in {place.work}: {error.strerror}") from error


def _users(place: Place) -> list[int]:
    """The sessions that use the engine; those that were killed are forgotten."""
    found = []
    for lease in (place.work / "sessions").iterdir():
        if _began(int(lease.name)) == lease.read_text() != "":
            found.append(int(lease.name))
        else:
            lease.unlink()
    return found


def _lease(place: Place, pid: int) -> Path:
    return place.work / "sessions" / str(pid)


def _began(pid: int) -> str:
    """When a process began, in the kernel's clock: ids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
