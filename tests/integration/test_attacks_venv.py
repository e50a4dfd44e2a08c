"""The attack table on a virtual environment: each deed is named, nothing else is, and only because it is looked for."""

from __future__ import annotations

import ensurepip
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import environments as env
from support.attacks import VENV, Target, groups, rows_of
from support.attacks.allowed import FOLDER, OWN
from support.environments import SITE, lock_for, manifests_of, sample_wheels, verify
from support.judging import Seen, is_named, seen, taken_out, unexpected
from support.targets import attack, small_target, small_wheels

from envctl.model.finding import Verification
from envctl.model.lockfile import Policy, Project
from envctl.model.manifest import Manifest
from envctl.verify import compare

TAG = str(sys.implementation.cache_tag)
ROWS = [(group, row) for group in groups(VENV) for row in rows_of(group, VENV)]
POLICY = Policy(writable=(FOLDER,))


class Template(NamedTuple):
    """An honest environment to be copied, and its wheels."""

    wheels: list[Path]
    venv: Path
    manifests: dict[str, Manifest]


class Answer(NamedTuple):
    """What was found in an attacked environment: with manifests at hand, without any, and without each check."""

    targets: dict[str, Target]
    known: list[Seen]
    blind: list[Seen]
    without: dict[str, list[Seen]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Template]:
    """With a package for each deed, or with one for a deed that has the environment for itself."""
    folder = tmp_path_factory.mktemp("template")
    wheels = [*sample_wheels(folder), *small_wheels(folder)]

    @functools.cache
    def make(large: bool) -> Template:
        taken = wheels if large else wheels[:3]
        venv = env.uv_venv(folder / f"env-{len(taken)}", "--relocatable")
        return Template(taken, env.uv_install(venv, taken, "--link-mode", "copy"), manifests_of(taken))

    return make


@pytest.fixture(scope="module")
def answers(template: Callable[[bool], Template], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Answer]:
    """By group."""

    @functools.cache
    def answer(group: str) -> Answer:
        place, honest, rows = tmp_path_factory.mktemp("attacked"), template(group == "together"), rows_of(group, VENV)
        targets = {row.name: small_target(row, SITE, TAG, str(place / "outside")) for row in rows}
        venv = env.copy_of(honest.venv, place / "env")
        if group == "seeded":
            env.uv_install(venv, [bundled_pip()], "--link-mode", "copy")
        own = Path(targets[rows[0].name].outside) / OWN if group.startswith("own") else None
        project = None if own is None else Project(name=OWN, path=".", editable=True)
        locked = lock_for(honest.wheels, policy=POLICY, project=project)
        attack(venv, [(row, targets[row.name]) for row in rows])
        environ = {name: value for row in rows for name, value in row.environ.items()}
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        real = compare.compare

        def recorded(*args: Any, **kinds: Any) -> Verification:
            calls.append((args, kinds))
            return real(*args, **kinds)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(env, "compare", recorded)
            blind = verify(locked, venv, environ=environ, project_folder=own)
        ((args, kinds),) = calls
        kinds["manifests"] = lambda _, wheel: honest.manifests.get(wheel.name)
        checks = {row.check for row in rows}
        return Answer(
            targets,
            seen(real(*args, **kinds).findings),
            seen(blind.findings),
            {check: seen(taken_out(check, real, *args, **kinds).findings) for check in checks},
        )

    return answer


@pytest.mark.parametrize(("group", "row"), ROWS, ids=[row.name for _, row in ROWS])
def test_an_attack_on_a_virtual_environment(answers, group, row):
    answer = answers(group)
    target = answer.targets[row.name]
    assert is_named(row, target, answer.known)
    assert is_named(row, target, answer.blind, blind=True)
    assert not is_named(row, target, answer.without[row.check])


def bundled_pip() -> Path:
    """The pip that this interpreter seeds environments with."""
    own = Path(ensurepip.__file__).parent / "_bundled"
    return next(wheel for place in (own, Path("/usr/share/python-wheels")) for wheel in place.glob("pip-*.whl"))


@pytest.mark.parametrize("group", groups(VENV))
def test_nothing_else_is_found(answers, group):
    answer, rows = answers(group), rows_of(group, VENV)
    assert unexpected(rows, answer.targets, answer.known) == []
    assert unexpected(rows, answer.targets, answer.blind, blind=True) == []


def test_honest_templates_are_honest(template):
    for large in (False, True):
        honest = template(large)
        assert verify(lock_for(honest.wheels, policy=POLICY), honest.venv, strict=True).findings == ()
