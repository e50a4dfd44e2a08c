"""Resolve several targets so that variants and platforms share pins wherever they allow it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from envctl.commands.jobs import Job, LockOptions, placed
from envctl.errors import InvalidFile, NoResolution, UsageError
from envctl.model.names import normalise
from envctl.model.platform import Platform
from envctl.model.profile import Requirement
from envctl.model.resolution import Resolution
from envctl.model.target import Target
from envctl.resolve.interface import Question, Resolver

Unit = tuple[Target, Platform]
Ask = Callable[[Unit, Mapping[str, str]], Resolution]


def resolve_jobs(
    jobs: Sequence[Job], siblings: Sequence[Job], options: LockOptions, resolver: Resolver
) -> dict[Unit, Resolution]:
    """Resolve every (target, platform) of the jobs.

    The first unit of each profile is resolved on its own; the others prefer its pins. Where they still differ, one
    more round asks each side for the other's versions, and keeps the answer when there is one.

    Args:
        siblings: fresh targets of the same profiles, whose pins are preferred as well.
    """
    _known_names(jobs, options)
    answers: dict[Unit, Resolution] = {}
    leads: dict[str, Unit] = {}
    by_target = {job.target: job for job in jobs}
    for job in jobs:
        leads.setdefault(job.target.profile, (job.target, job.platforms[0]))
    shared: dict[str, dict[str, str]] = {}
    for sibling in siblings:
        shared.setdefault(sibling.target.profile, sibling.pins(sibling.platforms[0]))

    def answer(unit: Unit, extra: Mapping[str, str] = {}) -> Resolution:
        job = by_target[unit[0]]
        try:
            return resolver.resolve(_question(job, unit[1], options, shared.get(unit[0].profile, {}), extra))
        except InvalidFile as error:
            raise placed(error, job.inputs) from error

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        answers |= zip(leads.values(), pool.map(answer, leads.values()), strict=True)
        for name, lead in leads.items():
            pins = {pin.name: pin.version for pin in answers[lead].pins}
            shared[name] = {**pins, **{k: v for k, v in shared.get(name, {}).items() if k not in pins}}
        rest = [(job.target, p) for job in jobs for p in job.platforms if (job.target, p) not in answers]
        answers |= zip(rest, pool.map(answer, rest), strict=True)
    for lead in leads.values():
        for unit in [u for u in rest if u[0].profile == lead[0].profile]:
            settled = _unmoved(by_target[lead[0]], lead, answers) & _unmoved(by_target[unit[0]], unit, answers)
            _agree(lead, unit, answers, answer, settled)
    return answers


def _known_names(jobs: Sequence[Job], options: LockOptions) -> None:
    if not options.upgrade_packages or any(job.previous is None for job in jobs):
        return
    known = {package.name for job in jobs if job.previous for package in job.previous.packages}
    for text in options.upgrade_packages:
        if normalise(text) not in known:
            import difflib

            near = difflib.get_close_matches(normalise(text), known, n=1)
            raise UsageError(
                f"{text!r} is in none of the lockfiles to upgrade", hint=f"did you mean {near[0]!r}?" if near else None
            )


def _question(
    job: Job, platform: Platform, options: LockOptions, shared: Mapping[str, str], extra: Mapping[str, str]
) -> Question:
    kept = {} if options.upgrade else job.pins(platform)
    moved = {normalise(name) for name in options.upgrade_packages}
    preferences = {**shared, **{name: version for name, version in kept.items() if name not in moved}}
    resolver = job.inputs.profile.resolver
    wished = [Requirement(text=f"{name}=={version}", file="another variant") for name, version in extra.items()]
    return Question(
        label=f"{job.target} for {platform}",
        python=job.settled.python.version,
        platform=platform,
        libc=job.libc,
        requirements=job.inputs.requirements,
        constraints=(*job.inputs.constraints, *wished),
        overrides=resolver.overrides,
        exclude=resolver.exclude,
        indexes=resolver.index,
        cutoff=job.cutoff[0],
        preferences=preferences,
        offline=options.offline,
    )


def _agree(lead: Unit, unit: Unit, answers: dict[Unit, Resolution], ask: Ask, settled: set[str]) -> None:
    """Try to make two units agree on the versions in which they differ: first the later one moves, then the lead.

    `settled` names what both had pinned before: existing pins stay, also where they differ.
    """
    for mover, other in ((unit, lead), (lead, unit)):
        differing = differences(answers[mover], answers[other])
        differing = {name: version for name, version in differing.items() if name not in settled}
        if not differing:
            return
        for wish in (differing, *({name: version} for name, version in differing.items() if len(differing) > 1)):
            try:
                changed = ask(mover, wish)
            except NoResolution:
                continue
            before = _versions(answers[mover])
            moved = {n for n, v in _versions(changed).items() if before.get(n) not in (None, v)}
            if moved <= wish.keys():
                answers[mover] = changed


def _unmoved(job: Job, unit: Unit, answers: Mapping[Unit, Resolution]) -> set[str]:
    before = job.pins(unit[1])
    return {pin.name for pin in answers[unit].pins if before.get(pin.name) == pin.version}


def differences(mine: Resolution, others: Resolution) -> dict[str, str]:
    """Name -> the other's public version, for each distribution of both whose public versions differ."""
    here, there = _versions(mine), _versions(others)
    return {name: there[name] for name in sorted(here.keys() & there.keys()) if here[name] != there[name]}


def _versions(resolution: Resolution) -> dict[str, str]:
    return {pin.name: pin.version.partition("+")[0] for pin in resolution.pins}
