"""The command line of the verifier in one file: `envctl verify` with the global options, where nothing is installed.

It reads environments and archives. It has no engine, no registry and no index: it never opens a connection.
"""

from __future__ import annotations

from typing import Any

import click

from envctl.cli import main, verify
from envctl.cli.context import Settings

NAME = "envctl-verify.pyz"
_ELSEWHERE = frozenset({"image", "registry", "container", "reader"})  # what needs an engine or a registry
_HERE = {"registry": False, "image": None, "container": None, "reader": "outside"}
_GLOBAL = frozenset({"directory", "quiet", "verbose", "no_progress", "color"})


def _call(**options: Any) -> Any:
    chosen = {name: options.pop(name) for name in _GLOBAL}
    settings = Settings.of(
        chosen["directory"], quiet=chosen["quiet"], verbose=chosen["verbose"], progress=False, color=chosen["color"]
    )
    callback = verify.command.callback
    if callback is None:
        raise ValueError("the command has no function")
    options["offline"] = True
    with click.Context(verify.command, obj=settings):
        return callback(**options, **_HERE)


def _parameters() -> list[click.Parameter]:
    own = [param for param in main.main.params if param.name in _GLOBAL or param.name == "version"]
    return [*(param for param in verify.command.params if param.name not in _ELSEWHERE), *own]


command = click.Command(
    NAME,
    params=_parameters(),
    callback=_call,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Hash what is installed and compare it with the lockfile: `envctl verify` in one file.

    It needs Python 3.10 or later and no installed package, reads a virtual environment or an archive of an image, and
    opens no connection. In an image that envctl built, it finds lockfile and environment by itself.

    Exit codes: 0 ok; 1 changed, or something that nothing vouches for; 7 nothing wrong was found, but not everything
    could be verified.""",
    epilog=f"""\b
Examples:
  python3 -I -S {NAME} --accept-self           in a container, its own environment
  python3 -I -S {NAME} demo:cpu --venv .venv   in a project's folder""",
)


def run() -> None:
    """Run it and leave the process with its exit code."""
    main.run(command=command, name=NAME)
