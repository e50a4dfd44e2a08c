"""Base images given by tags: asked for while the packages are resolved, and pinned by digest for each platform."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import msgspec

from envctl.commands.jobs import Job, placed
from envctl.errors import EnvctlError, InvalidFile, NoResolution, UsageError
from envctl.lockfile.settle import Settled

_RELEASE = re.compile(r"3\.[0-9]{1,3}\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?")


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """One platform's base image: the manifest's digest, the layers' diff-ids, the X.Y.Z of Python that it says."""

    digest: str
    diff_ids: tuple[str, ...]
    python: str | None = None


Ask = Callable[[str, str], Base]
"""Image reference and platform -> base; IndexFailed, UsageError for a reference that is none."""


class Bases:
    """Asks for the bases of jobs in the background, each once: `with Bases(jobs, ask) as bases:`."""

    def __init__(self, jobs: Sequence[Job], ask: Ask) -> None:
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="bases")
        wanted = dict.fromkeys((reference, name) for job in jobs for name, reference in job.bases.items())
        self._asked: Mapping[tuple[str, str], Future[Base]] = {
            (reference, name): self._pool.submit(ask, reference, name) for reference, name in wanted
        }

    def __enter__(self) -> Bases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)  # what is under way ends with the registry's client

    def failed(self, jobs: Sequence[Job]) -> None:
        """Raise what already went wrong for one of the jobs; what is under way goes on."""
        for job in jobs:
            for name, reference in job.bases.items():
                asked = self._asked[reference, name]
                if asked.done() and asked.exception() is not None:
                    self._answer(job, name)

    def with_python(self, job: Job) -> Job:
        """The job with the patch release of the Python that its base brings; waits only where nothing else says it."""
        return job if job.settled.complete() else msgspec.structs.replace(job, settled=self.settled(job))

    def found(self, job: Job) -> dict[str, Base]:
        """The job's bases by platform, when all are there; IndexFailed where one cannot be had."""
        return {name: self._answer(job, name) for name in job.bases}

    def settled(self, job: Job) -> Settled:
        """What is settled, with the base pinned for each platform.

        Raises:
            IndexFailed: a registry could not be asked, or has no such image.
            InvalidFile, NoResolution: the base's Python is not the profile's, or not said.
        """
        settled = job.settled
        if not job.bases:
            return settled
        found = self.found(job)
        platforms = dict(settled.platforms)
        for name, base in found.items():
            pin = platforms[name]
            platforms[name] = msgspec.structs.replace(pin, base_digest=base.digest, diff_ids=base.diff_ids)
        python = settled.python
        if python.source == "image":
            python = msgspec.structs.replace(python, version=_python(job, found))
        return msgspec.structs.replace(settled, platforms=platforms, python=python)

    def _answer(self, job: Job, name: str) -> Base:
        reference = job.bases[name]
        try:
            return self._asked[reference, name].result()
        except UsageError as error:
            raise placed(
                InvalidFile(error.what, key="image.base", found=error.found, expected=error.expected, hint=error.hint),
                job.inputs,
            ) from error
        except EnvctlError as error:
            raise _of_target(error, job) from error


def _of_target(error: EnvctlError, job: Job) -> EnvctlError:
    """The error with the place of the base that it is about."""
    file, line = job.inputs.line_of.get("image.base", (f"profiles/{job.inputs.target.profile}.toml", None))
    told = f"the base of {job.target} ({file}:{line})" if line else f"the base of {job.target} ({file})"
    if told not in error.details:  # the same error comes up for each target that has this base
        error.details = (*error.details, told)
    return error


def _python(job: Job, found: Mapping[str, Base]) -> str:
    """X.Y.Z, which the profile says or the base; they must agree, on every platform."""
    wanted, tag = job.inputs.profile.python, job.settled.tagged
    told = {name: base.python for name, base in found.items() if base.python and _RELEASE.fullmatch(base.python)}
    for name, version in told.items():
        if not f"{version}.".startswith(f"{wanted}."):
            raise placed(
                InvalidFile(
                    "the base image brings another Python",
                    key="python",
                    found=f"{version} in {tag} for {name}",
                    expected=wanted,
                    hint="name the base of that Python in image.base, or its release in python",
                ),
                job.inputs,
            )
    if job.settled.complete():
        return job.settled.python.version
    releases = set(told.values())
    if job.previous is not None and len(found) < len(job.settled.based):
        releases.add(job.previous.envctl.python.version)  # what is kept for the other platforms
    if len(releases) > 1:
        raise NoResolution(
            f"{job.target}: the base image brings another Python on each platform",
            details=[f"{name}: Python {version}" for name, version in sorted(told.items())],
            hint="lock with -U when all platforms of the tag are published, or name a tag of one release",
        )
    if releases and len(told) == len(found):
        return releases.pop()
    raise placed(
        InvalidFile(
            "the patch release of Python is not said",
            key="python",
            found=wanted,
            expected=f"{wanted}.Z, the one that {tag} brings: its configuration has no PYTHON_VERSION",
            hint=f"`docker run --rm {tag} python3 --version` prints it; a base without Python needs image.python",
        ),
        job.inputs,
    )
