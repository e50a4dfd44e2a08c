"""A container that runs: the variables of its processes, and what is mounted into it, as far as one may see."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from envctl.errors import ToolFailed
from envctl.inventory import mountinfo
from envctl.oci.engine import Engine, EngineContainer

# What engines themselves mount into every container.
USUAL = re.compile(r"/(?:proc|sys|dev)(?:/.*)?|/etc/(?:hosts|hostname|resolv\.conf)|/run/\.containerenv|/\.dockerenv|/")


def variables_of(engine: Engine, container: EngineContainer) -> dict[int, Mapping[str, str]] | None:
    """Process id -> variables, of every process of a running container; None where they cannot be read.

    They are those that a process was started with. Reading them takes root on the engine's machine (proc(5), environ).
    """
    if not container.running:
        return {}
    found: dict[int, Mapping[str, str]] = {}
    try:
        processes = engine.processes(container.id)
    except (ToolFailed, ValueError):
        return None
    for number in processes:
        if not _is_in(number, container):
            return None  # the engine is on another machine, and the number somebody else's here
        try:
            with open(f"/proc/{number}/environ", "rb") as file:
                data = file.read()
        except FileNotFoundError:
            continue  # it ended meanwhile
        except OSError:
            return None
        entries = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in data.split(b"\0") if entry)
        found[number] = {name: value for name, _, value in entries}
    return found


def mounts_of(container: EngineContainer) -> tuple[str, ...]:
    """Absolute places in the container at which something else is mounted, beside what engines always mount."""
    found = dict.fromkeys(container.mounts)
    if container.running and container.pid and _is_in(container.pid, container):
        with contextlib.suppress(OSError), open(f"/proc/{container.pid}/mountinfo", "rb") as file:
            for place in mountinfo.places(file.read()):
                if not USUAL.fullmatch(place):
                    found[place] = None
    return tuple(sorted(found))


def _is_in(number: int, container: EngineContainer) -> bool:
    """Whether a process of this machine is one of the container's: its control group is named after it."""
    try:
        with open(f"/proc/{number}/cgroup", encoding="utf-8") as file:
            return container.id in file.read()
    except OSError:
        return False
