"""`envctl tree`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json

if TYPE_CHECKING:
    from envctl.lockfile.tree import Chains, Tree

SCHEMA = "envctl.tree/1"


@click.command(
    epilog="""\b
Examples:
  envctl tree demo:cpu --depth 1    what is asked for, and what that needs
  envctl tree demo:cpu numpy        every chain that leads to numpy"""
)
@click.argument("target", shell_complete=complete.targets)
@click.argument("package", required=False, shell_complete=complete.packages)
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Draw N levels below what is asked for.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(settings: Settings, target: str, package: str | None, depth: int | None, form: str) -> int:
    """Show what needs what in a lockfile, or with PACKAGE every chain that leads to it.

    What is needed several times is drawn once; (*) marks where it is repeated.
    """
    from envctl.commands.tree import load, why

    if package is not None and depth is not None:
        raise click.UsageError("--depth is for the whole tree, and goes with no PACKAGE")
    graph = load(settings.directory, target)
    if package is None:
        if form == "json":
            print_json(_json(graph))
        else:
            _show(graph, depth)
        return 0
    chains = why(graph, package)
    if form == "json":
        print_json(_chains_json(graph, chains))
    else:
        _show_chains(graph, chains)
    return 0


def _show(graph: Tree, depth: int | None) -> None:
    from envctl.cli.show import count
    from envctl.lockfile.tree import draw

    asked = sum(1 for node in graph.nodes.values() if node.asked)
    click.echo(f"{graph.target}: {count(len(graph.nodes), 'package')}, {asked:,} asked for")
    repeated = cut = False
    for line in draw(graph, depth):
        mark = " (*)" if line.shown else " …" if line.hidden else ""
        click.echo(f"{line.prefix}{line.name} {graph.nodes[line.name].version}{mark}")
        repeated, cut = repeated or line.shown, cut or line.hidden
    if repeated:
        click.echo("(*) its needs are shown above")
    if cut:
        click.echo("… more below: a greater --depth shows it")


def _show_chains(graph: Tree, chains: Chains) -> None:
    from envctl.cli.show import count

    node = chains.node
    asked = "is asked for" if node.asked else "is not asked for itself"
    needed = f"needed by {count(len(node.needed_by), 'package')}" if node.needed_by else "needed by nothing"
    joint = "but" if not node.asked and node.needed_by else "and"
    click.echo(f"{node.name} {node.version} {asked}, {joint} {needed}")
    for chain in chains.chains:
        root = graph.nodes[chain[0]]
        said = f"   ({', '.join(root.asked)})" if root.asked else ""
        click.echo("  " + " -> ".join(f"{name} {graph.nodes[name].version}" for name in chain) + said)
    if chains.more or not chains.counted:
        click.echo(f"  and {'' if chains.counted else 'more than '}{chains.more:,} more")


def _json(graph: Tree) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "target": graph.target,
        "roots": graph.roots,
        "packages": list(graph.nodes.values()),
    }


def _chains_json(graph: Tree, chains: Chains) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "target": graph.target,
        "package": chains.node,
        "chains": [[{"name": name, "version": graph.nodes[name].version} for name in chain] for chain in chains.chains],
        "more": chains.more,
        "counted": chains.counted,
    }
