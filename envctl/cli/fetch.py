"""`envctl fetch`."""

from __future__ import annotations

import shlex

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json


@click.command(
    epilog="""\b
Examples:
  envctl fetch demo:cpu wheelhouse    then, elsewhere: `envctl build --from`
  envctl fetch datascience wheelhouse --no-image --platform linux/arm64"""
)
@click.argument("target", shell_complete=complete.targets)
@click.argument("folder", metavar="DIR", shell_complete=complete.folders)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="P",
    help="Only this platform, such as linux/arm64; may be given again.",
)
@click.option("--no-image", is_flag=True, help="Leave out base image and standalone Python: for sync alone.")
@click.option("--offline", is_flag=True, help="No network: only what is cached, or in DIR already.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(
    settings: Settings, target: str, folder: str, platforms: tuple[str, ...], no_image: bool, offline: bool, form: str
) -> None:
    """Download everything that sync and build need of a target into DIR, for a machine without a network.

    Wheels and the installer; where the target has an image, its base image and standalone Python too. Each is checked
    against its locked digests. What is there and right is kept; what others put there stays. Several targets can
    share a folder.
    """
    from envctl.commands.fetch import fetch
    from envctl.commands.locate import find_lockfile
    from envctl.commands.sync_ports import SystemPorts

    path, lockfile = find_lockfile(settings.directory, target)
    with (
        settings.working("fetching") as progress,
        SystemPorts(source=None, offline=offline, progress=progress) as ports,
    ):
        result = fetch(path, lockfile, settings.directory / folder, platforms, ports, image=not no_image)
    if form == "json":
        print_json(result)
        return
    from envctl.cli.show import count, size

    click.echo(f"fetched: {folder} has all of {result.target}")
    parts = [count(result.wheels, "wheel"), size(result.bytes), *result.platforms]
    if result.installer:
        parts.append(f"with {result.installer[0].partition('-')[0]}")
    if result.downloaded:
        parts.append(f"{size(result.downloaded)} downloaded")
    click.echo(f"  {', '.join(parts)}, {result.seconds:.1f} s")
    for image in result.images:
        name, _, digest = image.reference.partition("@sha256:")
        click.echo(f"  {name}@{digest[:8]}, {image.platform}, {size(image.bytes)}")
    for python in result.pythons:
        click.echo(f"  {python.place}, {python.platform}, {size(python.bytes)}")
    if result.os_packages:
        click.echo(f"  {count(result.os_packages, 'OS package')}")
    for note in result.notes:
        settings.say(f"note: {note}")
    word = "build" if result.images else "sync"
    settings.say(f"hint: `envctl {word} {result.target} --from {shlex.quote(folder)}`")
