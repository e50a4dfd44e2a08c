"""Disk, memory, C library and Python: what building and installing take."""

from __future__ import annotations

from envctl.doctor.check import Check, ok, problem, skipped, unknown, warning
from envctl.doctor.needs import Needs
from envctl.model.platform import Libc
from envctl.system.hardware import Disk, Memory

VENV_FACTOR = 4
"""An environment takes its wheels, and some three times their size unpacked."""
IMAGE_FACTOR = 6
"""An image takes that, the layers that are copied from it, and those compressed; of the base image, BASE bytes."""
BASE = 10**9
_LITTLE = 2 * 10**9
_SPARE = 1.5


def disk(project: Disk | None, engine: Disk | None, elsewhere: str | None, needs: Needs | None) -> Check:
    """Whether there is room where the project and the engine keep their files.

    Args:
        elsewhere: why the engine's folder cannot be seen from here.
    """
    if project is None:
        return unknown("disk", "what is free cannot be read", hint="see with df that there is room")
    if needs is None:
        free = [f"{size(project.free)} free here"]
        if engine is not None and engine.device != project.device:
            free.append(f"{size(engine.free)} for the engine")
        return ok("disk", ", ".join(free))
    wanted: dict[int, tuple[Disk, int, list[str]]] = {}
    if needs.here:
        wanted[project.device] = (project, needs.wheels * VENV_FACTOR, ["an environment"])
    if needs.image and engine is not None:
        there, bytes_, uses = wanted.get(engine.device, (engine, 0, []))
        wanted[engine.device] = (there, bytes_ + needs.wheels * IMAGE_FACTOR + BASE, [*uses, "an image"])
    details = [] if elsewhere is None or not needs.image else [f"the engine's own disk: {elsewhere}"]
    rows = list(wanted.values())
    if not rows:
        return unknown(
            "disk", "the engine keeps its files where they cannot be seen", *details, hint="`docker system df`"
        )
    short = [row for row in rows if row[0].free < row[1]]
    if short:
        return problem(
            "disk",
            "; ".join(_room(row) for row in short),
            *details,
            hint="`docker system prune`, `uv cache clean`; ENVCTL_CACHE_DIR moves the cache",
        )
    tight = [row for row in rows if row[0].free < row[1] * _SPARE]
    message = "; ".join(_room(row) for row in rows)
    return (
        warning("disk", message, *details, hint="little is left over afterwards")
        if tight
        else ok("disk", message, *details)
    )


def _room(row: tuple[Disk, int, list[str]]) -> str:
    place, bytes_, uses = row
    return f"{size(place.free)} free in {place.path}, {size(bytes_)} needed for {' and '.join(uses)}"


def memory(found: Memory | None, engine: int | None) -> Check:
    """Whether there is memory to speak of. No lockfile says how much a program will take.

    Args:
        engine: bytes that the engine has; less than the machine's where it runs in a virtual machine.
    """
    if found is None and engine is None:
        return unknown("memory", "how much there is cannot be read")
    details = []
    least = engine or 0
    message = f"the engine has {size(least)}"
    if found is not None:
        limited = found.limit if found.limit is not None else found.total
        least = min(limited, engine or limited)
        message = f"{size(found.available)} of {size(found.total)} available"
        if found.limit is not None:
            details.append(f"this process is limited to {size(found.limit)}")
        if engine is not None and engine < found.total * 0.95:
            details.append(f"the engine has {size(engine)}")
    if least < _LITTLE:
        return warning("memory", message, *details, hint="importing PyTorch or TensorFlow alone takes 1 GB")
    return ok("memory", message, *details)


def libc(found: Libc | None, needs: Needs | None) -> Check:
    """Whether wheels for the locked C library run in a virtual environment of this machine."""
    if needs is None:
        return ok("libc", str(found)) if found is not None else unknown("libc", "cannot be read")
    if not needs.here or needs.platform.os != "linux":
        return skipped("libc", f"{needs.target} is not locked for this machine")
    hint = f'libc = "{found}" in the profile, then `envctl lock`; or the image, which brings its own'
    if found is None:
        return unknown("libc", f"wheels may need {needs.libc}", hint="`ldd --version` says what is here")
    if found.family != needs.libc.family:
        return problem("libc", f"{found} here; {needs.target} is locked for {needs.libc}", hint=hint)
    if (found.major, found.minor) < (needs.libc.major, needs.libc.minor):
        return problem("libc", f"{found} here; wheels may need {needs.libc}", hint=hint)
    return ok("libc", f"{found}; wheels need {needs.libc} at most")


def python(found: str | None, fetchable: bool | None, needs: Needs | None) -> Check:  # noqa: FBT001
    """Whether a virtual environment gets the locked Python.

    Args:
        found: the version of the best interpreter here.
        fetchable: whether uv knows where to fetch the locked one; None: not asked.
    """
    if needs is None or not needs.here:
        return skipped("python", "nothing is locked for this machine")
    wanted = needs.python
    if found == wanted:
        return ok("python", wanted)
    if fetchable:
        other = f"; {found} is" if found is not None else ""
        return ok("python", f"{wanted} is not here{other}; uv fetches it when it is needed")
    hint = f"install Python {wanted}, or name one: `envctl sync --python PATH`"
    if found is not None:
        return warning(
            "python", f"{found} here, {wanted} is locked: the same packages on another patch release", hint=hint
        )
    return problem("python", f"there is no Python {'.'.join(wanted.split('.')[:2])} here, and uv knows none", hint=hint)


def size(number: int) -> str:
    """Bytes in decimal units: 412 MB, 12 GB."""
    if number < 999_500_000:
        return f"{number / 1e6:.0f} MB"
    return f"{number / 1e9:.1f} GB" if number < 9.95e9 else f"{number / 1e9:,.0f} GB"
