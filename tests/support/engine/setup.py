"""`up` and `down`: from nothing to an engine, a registry and base images, and back.

The engine that DOCKER_HOST or the default socket offers is taken where it answers and has BuildKit; a private one is
started otherwise. Registry, client and base images are made here in both cases.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from support.engine import bases, daemons, jobs, machine, packages, registry
from support.engine.place import Failed, Place, State, Unavailable

DEFAULT_SOCKET = Path("/var/run/docker.sock")
OLDEST = 23  # before it BuildKit does not honour SOURCE_DATE_EPOCH


def up(place: Place, environ: Mapping[str, str], *, keep: bool, say: Callable[[str], None] = lambda _: None) -> State:
    """Make and start whatever is missing; `keep`: it stays when the tests end. Raises Unavailable or Failed."""
    machine.find_tools()
    with place.locked():
        state = place.read()
        offered = _offered(place, environ)
        if state is not None and _serves(place, state, offered):
            if keep and not state.kept:
                state = _kept(state)
                place.write(state)
            return state
        # What a person started stays theirs, also when only its images have to be made anew.
        keep = keep or (state is not None and state.kept and daemons.ask(state.host) is not None)
        place.forget()
        machine.check_makes_images()
        place.make()
        if offered is None:
            machine.check_runs_daemon(place)
        return _make(place, offered, packages.suite(environ), keep=keep, say=say)


def down(place: Place) -> None:
    """Stop what `up` started and unmount; downloads and images stay."""
    machine.find_tools()
    if not place.work.is_dir():
        return
    with place.locked():
        stop(place)


def stop(place: Place) -> None:
    """The same for who holds the lock."""
    daemons.stop_all(place)
    place.forget()
    shutil.rmtree(place.run, ignore_errors=True)
    shutil.rmtree(place.tmp, ignore_errors=True)


def running(place: Place, environ: Mapping[str, str]) -> State | None:
    """What `up` left, if it still serves."""
    state = place.read()
    return state if state is not None and _serves(place, state, _offered(place, environ)) else None


def _offered(place: Place, environ: Mapping[str, str]) -> str | None:
    """The address of an engine that is there already and will do."""
    named = environ.get("DOCKER_HOST")
    host = named or f"unix://{DEFAULT_SOCKET}"
    if host == place.host or (not named and not DEFAULT_SOCKET.exists()):
        return None
    answer = daemons.ask(host)
    if answer is None or not answer.buildkit or not answer.version.split(".")[0].isdigit():
        return None
    return host if int(answer.version.split(".")[0]) >= OLDEST and answer.system.startswith("linux/") else None


def _serves(place: Place, state: State, offered: str | None) -> bool:
    same = state.host == (offered or place.host) and state.recipe == bases.recipe()
    if not same or not registry.answers(state.registry):
        return False
    return offered is not None or daemons.ask(state.host) is not None


def _kept(state: State) -> State:
    return State(**{**state.__dict__, "kept": True})


def _make(place: Place, offered: str | None, suite: str, *, keep: bool, say: Callable[[str], None]) -> State:
    architecture = machine.architecture()
    for left in place.tmp.glob("mmdebstrap.*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    with ThreadPoolExecutor(4) as pool, jobs.ended_together():
        programs = pool.submit(packages.get, place, suite, packages.ENGINE)
        packages.get(place, bases.OLD, packages.HELPERS)
        trees = [pool.submit(bases.make, place, bases.NEW)] if not bases.made(place, bases.NEW) else []
        if not bases.made(place, bases.OLD):
            bases.get_relocated(place)
            trees.append(pool.submit(bases.make, place, bases.OLD))
        programs.result()
        say("packages are there")
        packages.link_programs(place)
        if offered is None:
            daemons.start_engine(place)
        address = daemons.start_registry(place)
        _all(trees)
    say("root file systems are there")
    images = bases.compose(place)
    names = {name: registry.push(place.images, address, image, architecture) for name, image in images.items()}
    host = offered or place.host
    answer = daemons.ask(host) if offered else daemons.wait_for_engine(place)
    if answer is None:
        raise Failed(f"the engine at {host} stopped answering")
    state = State(
        host=host,
        docker=str(place.program("docker")),
        config=str(place.config),
        bin=str(place.bin),
        registry=address,
        bases=names,
        standalone=str(place.images / bases.STANDALONE),
        version=answer.version,
        private=offered is None,
        kept=keep,
        recipe=bases.recipe(),
    )
    _check_reaches(state, names["scratchlike"])
    place.write(state)
    say(f"engine {answer.version} at {host}, registry at {address}")
    return state


def _all(trees: list[Future[None]]) -> None:
    for tree in trees:
        tree.result()


def _check_reaches(state: State, name: str) -> None:
    """An engine in a virtual machine, or on another one, does not see this machine's loopback."""
    argv = [state.docker, "pull", "--quiet", name]
    env = {"PATH": os.defpath, "DOCKER_HOST": state.host, "DOCKER_CONFIG": state.config, "HOME": state.config}
    tried = subprocess.run(argv, env=env, check=False, capture_output=True, text=True, timeout=120)
    if tried.returncode:
        raise Unavailable(f"the engine at {state.host} cannot pull from {state.registry}: {tried.stderr.strip()}")


def say_on_stderr(text: str) -> None:
    """Progress of a person's `up`."""
    print(f"engine: {text}", file=sys.stderr, flush=True)
