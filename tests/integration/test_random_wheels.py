"""Random wheels, a hundred at a time: what pip and uv make of each is what envctl says of the wheel, and verify is ok.

Wheels that envctl refuses are not installed: those are the ones that installers would install differently. A wheel of
the usual kind must not be refused.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from support.environments import lock_for, manifests_of, run, uv_venv, verify
from support.random_wheels import Spec, wheels

from envctl.errors import IndexFailed
from envctl.index.wheel import read_file
from envctl.model.finding import Verdict
from envctl.system.uv import binary

SEED = int(os.environ.get("ENVCTL_CAMPAIGN_SEED") or random.SystemRandom().randrange(2**32))
KEPT = Path(".build/fuzz/wheels")
COLLISIONS = ("is a file and a folder", "is installed to a place that another member has", "is installed twice")


class Way(NamedTuple):
    """How an environment is made: name of its folder, options of pip, whether wheels are found by name."""

    folder: str
    pip: tuple[str, ...]
    by_name: bool


WAYS = (
    Way("plain", ("--no-compile",), by_name=False),
    Way("l" * 140, (), by_name=True),  # too long for a first line
    Way("sp ace's", (), by_name=False),
)


def drawn(count: int, start: int, *, odd: bool) -> list[Spec]:
    """So many different wheels; the same ones for the same start."""
    found: dict[Spec, None] = {}

    @seed(start)
    @settings(max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(wheels(odd=odd))
    def collect(spec: Spec) -> None:
        found[spec] = None

    collect()
    return list(found)


def install(place: Path, tool: Sequence[object], options: Sequence[str], paths: Sequence[Path], way: Way) -> Path:
    venv = uv_venv(place)
    asked: list[object] = [f"{'=='.join(path.name.split('-')[:2])}" for path in paths] if way.by_name else [*paths]
    found = ("--find-links", paths[0].parent) if way.by_name else ()
    run(*tool, "install", "-q", "--no-deps", "--no-index", *options, *found, *asked)
    return venv


def agree(folder: Path, specs: Sequence[Spec], way: Way, said: str) -> None:
    """Install with pip and with uv; everything must be as envctl reads it from the wheels."""
    (folder / "wheels").mkdir()
    readable: dict[str, tuple[Path, Spec]] = {}
    for number, spec in enumerate(specs):
        path = spec.write(folder / "wheels", number)
        try:
            read_file(path)
        except IndexFailed:
            path.unlink()
        else:
            readable[path.name.split("-")[0].replace("_", "-").replace(".", "-").lower()] = path, spec
    paths = [path for path, _ in readable.values()]
    lockfile, manifests = lock_for(paths), manifests_of(paths)
    for name in ("uv", "pip"):
        venv = folder / name / way.folder
        python = ("--python", venv / "bin/python")
        tool = (binary(), "pip") if name == "uv" else (sys.executable, "-m", "pip", *python)
        try:
            install(venv, tool, python if name == "uv" else way.pip, paths, way)
        except AssertionError as error:
            keep(folder)
            pytest.fail(f"{name} refuses one of the wheels in {KEPT}; {said}\n{str(error)[-800:]}")
        found = verify(lockfile, venv, manifests=manifests)
        if found.verdict is not Verdict.OK or found.package_set.found != found.package_set.expected:
            keep(folder)
            wrong = [finding for finding in found.findings if finding.severity.value == "error"]
            specs_of = "\n".join(repr(readable[f.package][1]) for f in wrong[:3] if f.package in readable)
            pytest.fail(f"{name}, {way.folder[:9]}: {wrong[:5]}\nwheels are in {KEPT}; {said}\n{specs_of}")


def keep(folder: Path) -> None:
    shutil.rmtree(KEPT, ignore_errors=True)
    shutil.copytree(folder / "wheels", KEPT)


def test_what_installers_make_of_some_wheels_is_what_the_wheel_says(tmp_path: Path) -> None:
    agree(tmp_path, drawn(24, 5, odd=True), WAYS[1], "")


@pytest.mark.campaign
@pytest.mark.parametrize("batch", range(10))
def test_what_installers_make_of_wheels_is_what_the_wheel_says(tmp_path: Path, batch: int) -> None:
    agree(tmp_path, drawn(150, SEED + batch, odd=True), WAYS[batch % 3], f"ENVCTL_CAMPAIGN_SEED={SEED}, batch {batch}")


def refused(spec: Spec, folder: Path) -> str | None:
    path = spec.write(folder, 7)
    try:
        read_file(path)
    except IndexFailed as error:
        return None if error.what.endswith(COLLISIONS) else error.what
    finally:
        path.unlink()
    return None


@given(wheels(odd=False))
@settings(max_examples=24, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_usual_wheel_is_not_refused(tmp_path_factory: pytest.TempPathFactory, spec: Spec) -> None:
    assert refused(spec, tmp_path_factory.getbasetemp()) is None


@pytest.mark.campaign
@given(wheels(odd=False))
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
def test_usual_wheels_are_not_refused(tmp_path_factory: pytest.TempPathFactory, spec: Spec) -> None:
    assert refused(spec, tmp_path_factory.getbasetemp()) is None
