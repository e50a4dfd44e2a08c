"""Rules that a resolved set must keep: no two owners of one path, no startup hook that nobody allowed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from envctl.errors import NoResolution
from envctl.lockfile.assemble import Sets
from envctl.model.lockfile import Hook, Lockfile
from envctl.model.names import requirement_name
from envctl.model.profile import Inputs
from envctl.model.resolution import Resolved


def check_python(inputs: Inputs, python: str, sets: Sets) -> None:
    """NoResolution when a wheel refuses the interpreter: uv ignores upper bounds of Requires-Python, pip does not.

    Args:
        python: X.Y.Z.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for platform in sorted(sets):
        for package in sets[platform]:
            try:
                fits = SpecifierSet(package.requires_python or "").contains(python, prereleases=True)
            except InvalidSpecifier:
                continue  # installers ignore what they cannot read
            if not fits:
                raise NoResolution(
                    f"{inputs.target} for {platform}: {package.name} {package.version} refuses Python {python}",
                    file=f"profiles/{inputs.target.profile}.toml",
                    details=[f"{package.name} {asked_for(package.name, inputs, sets[platform])}"],
                    found=f"Requires-Python: {package.requires_python}",
                    hint=f'constrain it: constraints = ["{package.name}!={package.version}"]',
                )


class Overlap(msgspec.Struct, frozen=True):
    """Two distributions that own paths with different contents."""

    first: Resolved
    second: Resolved
    paths: tuple[str, ...]


def overlaps(resolved: Sequence[Resolved]) -> list[Overlap]:
    """Every pair that installs different contents at one path; equal contents are fine."""
    owner: dict[str, Resolved] = {}
    pairs: dict[tuple[str, str], tuple[Resolved, Resolved, list[str]]] = {}
    for package in sorted(resolved, key=lambda r: r.name):
        files = package.manifest.files
        for path in owner.keys() & files.keys():
            other = owner[path]
            if other.manifest.files[path] != files[path]:
                pairs.setdefault((other.name, package.name), (other, package, []))[2].append(path)
        owner |= dict.fromkeys(files, package)
    return [Overlap(first, second, tuple(sorted(paths))) for first, second, paths in pairs.values()]


def check_overlaps(inputs: Inputs, sets: Sets) -> None:
    """NoResolution when two wheels of one platform own a path with different contents."""
    for platform in sorted(sets):
        found = overlaps(sets[platform])
        if not found:
            continue
        details = []
        for pair in found[:5]:
            more = f" and {len(pair.paths) - 1:,} more" if len(pair.paths) > 1 else ""
            for one in (pair.first, pair.second):
                details.append(f"{one.name} {one.version} {asked_for(one.name, inputs, sets[platform])}")
            details.append(f"both install {_shown(pair.paths[0])}{more}, with different contents")
        first = found[0]
        keep = _by_choice(first, inputs)
        raise NoResolution(
            f"{inputs.target} for {platform}: two packages own one file",
            file=f"profiles/{inputs.target.profile}.toml",
            details=details,
            hint=f'leave one of them out: [resolver] exclude = ["{keep}"], or replace what asks for it: '
            f"[resolver] overrides = [\"{keep} ; python_version < '0'\"]",
        )


def _by_choice(pair: Overlap, inputs: Inputs) -> str:
    """The one of the pair to leave out: the one that nobody asked for by name, else the first."""
    asked = {requirement_name(r.text) for r in inputs.requirements}
    return pair.second.name if pair.first.name in asked and pair.second.name not in asked else pair.first.name


def asked_for(name: str, inputs: Inputs, resolved: Sequence[Resolved]) -> str:
    """Why a distribution is in the set: `(asked for in FILE:LINE)` or `(needed by NAME VERSION)`."""
    for requirement in inputs.requirements:
        if requirement_name(requirement.text) == name:
            return f"(asked for in {requirement.place})"
    # what a package asks for in an extra is not what brought it, unless nothing else did
    for extra in (False, True):
        for other in resolved:
            if any(requirement_name(t) == name and ("extra" in t.partition(";")[2]) == extra for t in other.requires):
                return f"(needed by {other.name} {other.version})"
    return ""


def _shown(path: str) -> str:
    return path.removeprefix("site/")


def check_hooks(inputs: Inputs, hooks: Sequence[Hook], previous: Lockfile | None) -> list[str]:
    """Apply `[policy] startup-hooks`; without it, compare with the previous lockfile.

    Returns:
        One warning for each hook that a first lock records.

    Raises:
        NoResolution: a hook is not allowed, or new, or changed, with the line that would allow it.
    """
    allowed = inputs.profile.policy.startup_hooks
    if allowed is not None:
        refused = [hook for hook in hooks if hook.path not in allowed]
        if refused:
            raise _refuse(inputs, refused, [*allowed, *(hook.path for hook in refused)], "that [policy] does not allow")
        return []
    if previous is None:
        return [
            f"{hook.package} runs {hook.path} at every start of Python ({hook.digest[:19]}…); recorded in the lockfile"
            for hook in hooks
        ]
    known = {(hook.path, hook.digest) for hook in previous.envctl.hooks}
    refused = [hook for hook in hooks if (hook.path, hook.digest) not in known]
    if refused:
        every = sorted({hook.path for hook in hooks})
        raise _refuse(inputs, refused, every, "that is new or changed since the last lock")
    return []


def _refuse(inputs: Inputs, refused: Sequence[Hook], line: Sequence[str], why: str) -> NoResolution:
    names = ", ".join(f'"{path}"' for path in dict.fromkeys(line))
    place: Mapping[str, tuple[str, int]] = inputs.line_of
    file, number = place.get("policy.startup-hooks", (f"profiles/{inputs.target.profile}.toml", None))
    return NoResolution(
        f"{inputs.target}: a package runs code at every start of Python {why}",
        file=file,
        line=number,
        key="policy.startup-hooks",
        details=[f"{hook.package}: {hook.path} {hook.digest}" for hook in refused],
        hint=f"read it, and allow it with: [policy] startup-hooks = [{names}]",
    )
