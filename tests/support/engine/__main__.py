"""`python -m support.engine up|env|down [WORK]`, with the tests' folder on PYTHONPATH.

up    make and start whatever is missing; print KEY=VALUE lines
env   print the KEY=VALUE lines again (status 1 when nothing runs)
down  stop what `up` started; downloads and images stay in WORK (default: .build/engine of the project)

Status: 0 done, 1 a step failed, 2 wrong usage, 3 this machine cannot run it, 130 interrupted.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from support.engine import setup
from support.engine.client import default_work
from support.engine.place import Failed, Place, State, Unavailable


def main(args: list[str]) -> int:
    """Run a command line; returns its status."""
    if not 1 <= len(args) <= 2 or args[0] not in {"up", "env", "down"}:
        print(__doc__, file=sys.stderr)
        return 2
    place = Place(Path(args[1]) if len(args) == 2 else default_work(os.environ))
    try:
        if args[0] == "down":
            setup.down(place)
            return 0
        if args[0] == "up":
            state: State | None = setup.up(place, os.environ, keep=True, say=setup.say_on_stderr)
        else:
            state = setup.running(place, os.environ)
    except KeyboardInterrupt:
        print("engine: interrupted", file=sys.stderr)
        return 130
    except Unavailable as reason:
        print(f"engine: this machine cannot run it: {reason}", file=sys.stderr)
        return 3
    except Failed as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    if state is None:
        print("engine: nothing runs", file=sys.stderr)
        return 1
    print("\n".join(f"{key}={shlex.quote(value)}" for key, value in _lines(state).items()))
    return 0


def _lines(state: State) -> dict[str, str]:
    lines = {"DOCKER_HOST": state.host, "DOCKER_CONFIG": state.config, "DOCKER": state.docker}
    lines |= {"REGISTRY": state.registry, "STANDALONE": state.standalone}
    return lines | {"BASE_" + re.sub(r"\W", "_", name).upper(): ref for name, ref in sorted(state.bases.items())}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
