"""Random changes to an environment: never ok, but for the few that documentation allows; and these always."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support import environments as env
from support.environments import lock_for, manifests_of, sample_wheels, verify
from support.mutations import Mutation, State, allowed, mutations, state

from envctl.errors import UsageError
from envctl.inventory import hashing
from envctl.model.finding import Verdict
from envctl.model.lockfile import Lockfile
from envctl.model.manifest import Manifest


class Victim(NamedTuple):
    """An honest environment: a copy to take it from, the place where it is used, and what it is compared with."""

    pristine: Path
    place: Path
    before: dict[str, State]
    lockfile: Lockfile
    manifests: dict[str, Manifest]

    def __repr__(self) -> str:
        return f"Victim({self.place})"

    def restore(self) -> Path:
        """Make the environment anew."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.pristine, self.place, symlinks=True)
        return self.place


@pytest.fixture(scope="module", params=["uv", "pip"])
def victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp(request.param)
    wheels = sample_wheels(folder / "wheels")
    place = env.uv_venv(folder / "env")
    if request.param == "uv":
        env.uv_install(place, wheels, "--link-mode", "copy")
    else:
        env.pip_install(place, wheels, "--no-compile")
    shutil.copytree(place, folder / "pristine", symlinks=True)
    return Victim(folder / "pristine", place, state(place), lock_for(wheels), manifests_of(wheels))


@pytest.fixture(autouse=True)
def _hash_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes to hash takes longer than hashing thirty small files; without any, all is hashed here."""
    monkeypatch.setattr(hashing, "processors", lambda: 0)


def tried(victim: Victim, changes: list[Mutation], *, known: bool) -> None:
    place = victim.restore()
    for change in changes:
        change.apply(place)
    after = state(place)
    verdict = allowed(victim.before, after)
    changed = sorted(path for path in victim.before.keys() | after.keys() if victim.before.get(path) != after.get(path))
    event({True: "must be ok", False: "must be found", None: "may be ok"}[verdict])
    try:
        found = verify(victim.lockfile, place, manifests=victim.manifests if known else None)
    except UsageError:  # no environment is left
        assert verdict is not True
        return
    said = [(f.code, f.package, f.path, f.message) for f in found.findings]
    if verdict is False:
        assert found.verdict is not Verdict.OK, (changed, said)
        assert any(finding.severity.value == "error" for finding in found.findings), said
    elif verdict is True:
        assert found.verdict is Verdict.OK, (changed, said)


CHANGES = st.lists(mutations, min_size=1, max_size=2)
ARGUMENTS = {"changes": CHANGES, "known": st.booleans()}
MADE_ANEW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(**ARGUMENTS)
@settings(max_examples=24, derandomize=True, suppress_health_check=MADE_ANEW)
def test_some_changes_are_found(victim: Victim, changes: list[Mutation], known: bool) -> None:
    tried(victim, changes, known=known)


@pytest.mark.campaign
@given(**ARGUMENTS)
@settings(max_examples=1500, suppress_health_check=MADE_ANEW)
def test_changes_are_found(victim: Victim, changes: list[Mutation], known: bool) -> None:
    tried(victim, changes, known=known)
