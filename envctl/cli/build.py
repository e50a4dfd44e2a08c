"""`envctl build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.cli.trusting import trusting
from envctl.model.finding import Verdict

if TYPE_CHECKING:
    from envctl.commands.build import BuildResult
    from envctl.commands.image_sources import Place
    from envctl.commands.trust import Trust
    from envctl.model.finding import Report


@click.command(
    epilog="""\b
Examples:
  envctl build demo:cpu                     an image named demo-cpu
  envctl build demo:cpu -t registry.example/team/demo:1 --push
  envctl build demo:cpu --from wheelhouse   offline, after `envctl fetch`"""
)
@click.argument("target", shell_complete=complete.targets)
@click.argument("arguments", metavar="[-- ENGINE-ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-t", "--tag", "tags", multiple=True, metavar="TAG", help="Its name; may be given again.")
@click.option("--push", is_flag=True, help="Push it, once it is verified.")
@click.option("--platform", metavar="P", help="The platform, such as linux/arm64 (default: this machine's).")
@click.option("--output", metavar="SPEC", help="Elsewhere than into the engine: type=oci,dest=FILE and the like.")
@click.option("--builder", type=click.Choice(["auto", "docker", "oci"]), default="auto", help="What builds.")
@click.option("--no-cache", is_flag=True, help="Run every step anew.")
@click.option("--offline", is_flag=True, help="No network in any step; wheels come from --from.")
@click.option(
    "--from",
    "source",
    metavar="DIR",
    shell_complete=complete.folders,
    help="Take wheels from a fetched folder; implies --offline.",
)
@trusting
@click.option("--no-verify", is_flag=True, help="Do not verify the image.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(
    settings: Settings,
    target: str,
    arguments: tuple[str, ...],
    tags: tuple[str, ...],
    push: bool,
    platform: str | None,
    output: str | None,
    builder: str,
    no_cache: bool,
    offline: bool,
    source: str | None,
    trust: Trust,
    no_verify: bool,
    form: str,
) -> int:
    """Build a target's image from its lockfile with a container engine, and verify it.

    The lockfile must be fresh and the Dockerfile the one it renders to: what was reviewed is what is built. Proxies,
    certificates and credentials of this machine reach the build as secrets, and are in no layer of the image.

    What stands behind `--` is handed to `docker build` as it is.
    """
    from envctl.commands.build import BuildOptions, build
    from envctl.commands.verify import exit_code
    from envctl.commands.verify_image import verify_image
    from envctl.image.buildx import Buildx

    options = BuildOptions(
        tags=tags,
        push=push,
        platform=platform,
        output=output,
        builder=builder,
        no_cache=no_cache,
        offline=offline,
        source=None if source is None else settings.directory / source,
        trust=trust,
        arguments=arguments,
    )

    def verified(place: Place) -> Report:
        with settings.working("verifying") as progress:
            return verify_image(
                settings.directory,
                target,
                place,
                fetched=options.source,
                offline=offline or source is not None,
                trust=trust,
                step=lambda text: progress(text, 0, 0),
            )

    say = settings.say if settings.verbose else lambda _: None
    result, report = build(
        settings.directory,
        target,
        options,
        builder=lambda: Buildx(say=say, shown=settings.progress),
        verify=None if no_verify else verified,
    )
    if form == "json":
        print_json(result)
    else:
        _show(settings, result)
    if report is None or report.verdict is Verdict.OK:
        return 0
    _show_report(settings, report)
    return exit_code(report)


def _show(settings: Settings, result: BuildResult) -> None:
    from envctl.cli.show import size

    name = result.image.tags[0] if result.image.tags else "the image"
    right = {None: "not verified", Verdict.OK: "verified"}.get(result.verdict)
    if result.verdict is not None and right is None:
        click.echo(f"{result.verdict.value}: {name} was built, and is not {result.target}")
    else:
        click.echo(f"built: {name} is {result.target} for {result.platform}, {right}")
    rows = [("image", result.image.id)]
    if result.image.digest != result.image.id:
        rows.append(("digest", result.image.digest))
    rows += [("environment", result.package_set), *(("also", tag) for tag in result.image.tags[1:])]
    rows += [("pushed", pushed) for pushed in result.pushed]
    for title, value in rows:
        if value is not None:
            click.echo(f"  {title.ljust(11)}  {value}")
    parts = [] if result.image.size is None else [size(result.image.size)]
    click.echo(f"  {', '.join([*parts, f'{result.seconds:.1f} s'])}")
    if right is not None and result.image.id is not None:
        settings.say(f"hint: `docker run --rm {name}`")


def _show_report(settings: Settings, report: Report) -> None:
    """What was found wrong, as a message: standard output has the result."""
    from envctl.report.text import Style, render

    click.echo(render(report, style=Style(verbose=settings.verbose, color=False)), err=True)
