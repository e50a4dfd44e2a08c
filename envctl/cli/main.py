"""The entry point: global options, commands loaded when they are named, errors turned into exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from envctl import __version__
from envctl.cli.context import Settings, visible
from envctl.cli.signals import Interrupted, listen
from envctl.errors import EnvctlError, ToolFailed

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

BROKEN_PIPE = 141  # 128 and the signal's number, as shells have it

# Name of the command -> its one line of help. The module is `envctl.cli.<name>`, loaded only when it is run.
COMMANDS = {
    "init": "Write a profile, from nothing or from what a team has today.",
    "lock": "Resolve profiles; write each target's lockfile and Dockerfile.",
    "dockerfile": "Render a target's Dockerfile from its lockfile alone.",
    "fetch": "Download what sync needs, for a machine without a network.",
    "sync": "Make a virtual environment that holds exactly the lockfile.",
    "build": "Build a target's image from its lockfile, and verify it.",
    "run": "Run a command in the built image, or in the virtual environment.",
    "verify": "Hash what is installed and compare it with the lockfile.",
    "sign": "Sign lockfiles, with an SSH key or by sigstore.",
    "doctor": "Check this machine against a target: engine, disk, driver, CUDA.",
    "diff": "Compare two lockfiles or targets.",
    "tree": "Show what needs what, or every chain that leads to a package.",
    "profile": "Show a target's merged profile, and where each value is from.",
    "verifier": "Write the verifier in one file, for places where nothing can be installed.",
    "explain": "Say what a finding means and what to do.",
    "completion": "Print the shell's completion script.",
}


def _folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from envctl.cli import complete

    return complete.folders(ctx, param, incomplete)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"envctl.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"\nhint: did you mean `envctl {near[0]}`?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Exit codes:
  0 done                          4 no resolution
  1 findings, a difference        5 a tool failed
  2 wrong usage                   6 an index failed
  3 an invalid file               7 not everything could be verified

\b
Examples (`envctl COMMAND --help` has more):
  envctl lock demo          pin profiles/demo.toml, and write its Dockerfiles
  envctl sync demo:cpu      make .venv hold exactly that
  envctl verify demo:cpu    hash .venv, and say what differs""",
)
@click.version_option(__version__, message="envctl %(version)s")
@click.option(
    "-C",
    "--directory",
    metavar="DIR",
    default=".",
    shell_complete=_folders,
    help="The project folder (default: this one); other paths are relative to it.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only results and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.option("--no-progress", is_flag=True, help="No moving line, even on a terminal.")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour, on a terminal by default."
)
@click.pass_context
def main(ctx: click.Context, directory: str, quiet: bool, verbose: bool, no_progress: bool, color: str) -> None:
    """Lock the environment of a machine learning project, install it, and prove that it is what was locked."""
    ctx.obj = Settings.of(directory, quiet=quiet, verbose=verbose, progress=not no_progress, color=color)


def run(args: list[str] | None = None, command: click.Command | None = None, name: str = "envctl") -> NoReturn:
    """Run a command line, by default all of envctl's, and leave the process with its exit code."""
    _open_streams()
    listen()
    sys.exit(invoke(sys.argv[1:] if args is None else args, command, name))


def _open_streams() -> None:
    """Standard streams that the caller closed lead nowhere; the next file that is opened would take their place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if descriptor == 0 else "w", closefd=False))


def invoke(args: list[str], command: click.Command | None = None, name: str = "envctl") -> int:  # noqa: PLR0911  # one return for each kind of end
    """Run the command line; the one place where errors become messages and exit codes."""
    stdout = sys.stdout
    try:
        result: Any = (command or main).main(args=args, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except EnvctlError as error:
        _say(f"error: {error}")
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _say(f"error: {error.format_message()}")
        if context is not None and "hint:" not in error.format_message():
            _say(f"hint: `{context.command_path} --help`")
        return 2
    except (KeyboardInterrupt, click.Abort, Interrupted) as error:
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        after = "\n" if number == signal.SIGINT and sys.stderr.isatty() else ""  # behind the terminal's own ^C
        _say(f"{after}{'interrupted' if number == signal.SIGINT else 'terminated'}: nothing was left half-written")
        return 128 + number
    except SystemExit:
        if sys.stdout is stdout:
            raise
        return BROKEN_PIPE  # click changes the stream and exits when nobody reads the pipe any more
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:  # a full disk, a name that is too long, a folder that may not be read
        where = f"{error.filename}: " if error.filename else ""
        _say(f"error: {where}{error.strerror or error}")
        return ToolFailed.exit_code
    except Exception:  # noqa: BLE001  # the last boundary: a defect is shown whole, with how to report it
        import traceback

        traceback.print_exc()
        _say("error: this is a defect of envctl itself")
        _say("hint: please report it, with the lines above and `envctl --version`")
        return 70


def _say(text: str) -> None:
    click.echo(visible(text), err=True)
