"""`envctl run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings
from envctl.errors import UsageError

if TYPE_CHECKING:
    from envctl.model.finding import Report

_VENV = ".venv"
_PIDS = 4096


class _Run(click.Command):
    """A command whose arguments after `--` are a program's own, and whose --venv may stand without a folder."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ours, rest, given = _split(args)
        ctx.meta["envctl.words"] = tuple(rest)
        ctx.meta["envctl.given"] = given
        return super().parse_args(ctx, _with_folder(ours))


def _split(args: list[str]) -> tuple[list[str], list[str], bool]:
    """What stands before `--`, what after it, and whether it stands there."""
    if "--" not in args:
        return args, [], False
    place = args.index("--")
    return args[:place], args[place + 1 :], True


def _with_folder(args: list[str]) -> list[str]:
    """`--venv` takes the next word only where that can be no target and no name: with a `/`, or a `.` before it."""
    found: list[str] = []
    for place, word in enumerate(args):
        following = args[place + 1] if place + 1 < len(args) else ""
        bare = word == "--venv" and not ("/" in following or following.startswith("."))
        found.append(f"--venv={_VENV}" if bare else word)
    return found


@click.command(
    cls=_Run,
    options_metavar="[OPTIONS]",
    epilog="""\b
Examples:
  envctl run demo:cpu                               what the image is for
  envctl run demo:cpu --mount -- python --version   beside the project's files
  envctl run demo:cpu --venv -- python --version    in .venv, no engine""",
)
@click.argument("target", shell_complete=complete.targets)
@click.argument("name", required=False, metavar="[NAME] [-- COMMAND...]")
@click.option("--image", metavar="REF", help="This image of the engine (default: the one built from the lockfile).")
@click.option("--venv", metavar="[DIR]", help="In this virtual environment and in no container (default: .venv).")
@click.option("--verify", is_flag=True, help="Compare what is installed with the lockfile first; run it only if ok.")
@click.option("--mount", is_flag=True, help="Mount the project folder at the image's working folder, read-only.")
@click.option("--mount-rw", is_flag=True, help="The same, writable.")
@click.option("-v", "--volume", metavar="V", multiple=True, help="Mount SOURCE:INSIDE[:ro], as docker does.")
@click.option("-e", "--env", metavar="NAME[=VALUE]", multiple=True, help="Set a variable, or pass one on.")
@click.option(
    "-p", "--publish", metavar="PORT", multiple=True, help="Publish [[ADDRESS:]PORT:]PORT; on loopback by default."
)
@click.option(
    "--gpus", metavar="GPUS", help="all, none, or as docker has it (default: all, for CUDA and where it can)."
)
@click.option("--network", metavar="NET", help="none, host, or one of the engine's (default: its bridge).")
@click.option("-u", "--user", metavar="UID[:GID]", help="Default: the image's; you, where something is mounted.")
@click.option("--memory", metavar="SIZE", help="Such as 8g; 0: no limit (default: 90 % of the engine's).")
@click.option("--cpus", metavar="N", type=float, default=0, help="Processors, such as 1.5 (default: all).")
@click.option(
    "--pids", metavar="N", type=int, default=_PIDS, help="Processes and threads; 0: no limit (default: 4096)."
)
@click.option("--writable", is_flag=True, help="Let the program write to the container's file system.")
@click.option("--cap-add", metavar="CAP", multiple=True, help="Give back a capability; all are dropped.")
@click.option("--engine-arg", metavar="ARG", multiple=True, help="One more argument for `docker run`.")
@click.option("--dry-run", is_flag=True, help="Print the docker command; run nothing.")
@pass_settings
@click.pass_context
def command(
    ctx: click.Context,
    settings: Settings,
    target: str,
    name: str | None,
    image: str | None,
    venv: str | None,
    verify: bool,
    mount: bool,
    mount_rw: bool,
    volume: tuple[str, ...],
    env: tuple[str, ...],
    publish: tuple[str, ...],
    gpus: str | None,
    network: str | None,
    user: str | None,
    memory: str | None,
    cpus: float,
    pids: int,
    writable: bool,
    cap_add: tuple[str, ...],
    engine_arg: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Run a command in the built image, or in the virtual environment.

    NAME is a command of the profile's [commands]; words after -- are added to it. Without NAME they are the command;
    without both the image runs what it is for.

    The container is hardened: its file system is read-only but for /tmp, which is in memory, its capabilities are
    dropped, memory and processes are limited. It is gone afterwards. The exit status is the command's.
    """
    from envctl.commands.run import command_of, find, image_verifier, run_image
    from envctl.image.container import Access

    locked = find(settings.directory, target)
    words = command_of(locked.lockfile, name, ctx.meta["envctl.words"])
    if venv is not None:
        _only_image(ctx)
        return _in_venv(settings, target, Path(venv), words, env, verify=verify)
    access = Access(
        mount="rw" if mount_rw else "ro" if mount else None,
        volumes=volume,
        env=env,
        ports=publish,
        gpus=gpus,
        network=network,
        user=user,
        memory=memory,
        cpus=cpus,
        pids=pids,
        writable=writable,
        cap_add=cap_add,
        arguments=engine_arg,
    )

    def check(id_: str) -> Report:
        with settings.working("verifying the image") as progress:
            return image_verifier(settings.directory, target, lambda text: progress(text, 0, 0))(id_)

    ran = run_image(
        settings.directory,
        locked,
        words,
        access,
        image=image,
        verify=check if verify else None,
        dry_run=dry_run,
        say=settings.say,
    )
    if ran.report is not None:
        return _refused(settings, ran.report)
    if dry_run:
        click.echo(shlex.join(ran.words))
    return ran.status


def _only_image(ctx: click.Context) -> None:
    """Options that say how a container runs have no meaning without one."""
    both = {"target", "name", "venv", "verify", "env"}
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name not in both and source is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[-1]} is for containers", hint="leave it out, or --venv")


def _in_venv(
    settings: Settings, target: str, venv: Path, words: tuple[str, ...], env: tuple[str, ...], *, verify: bool
) -> int:
    """Become the program, unless the environment was verified and is not what is locked."""
    from envctl.commands.run import run_venv

    if verify:
        from envctl.commands.verify import verify as verify_venv
        from envctl.model.finding import Verdict

        with settings.working("verifying the environment"):
            report = verify_venv(settings.directory, target, venv=venv)
        if report.verdict is not Verdict.OK:
            return _refused(settings, report)
    return run_venv(settings.directory, venv, words, env)


def _refused(settings: Settings, report: Report) -> int:
    """Show why nothing was run; the exit code is that of `envctl verify`."""
    from envctl.commands.verify import exit_code
    from envctl.report.text import Style, render

    click.echo(render(report, style=Style(verbose=settings.verbose)), err=True)
    return exit_code(report)
