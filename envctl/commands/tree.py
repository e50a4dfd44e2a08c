"""`envctl tree`: what needs what in a target's lockfile."""

from __future__ import annotations

import difflib
from pathlib import Path

from envctl.commands.locate import find_lockfile
from envctl.errors import UsageError
from envctl.lockfile.tree import Chains, Tree, chains, tree
from envctl.model.names import requirement_name


def load(project: Path, target: str) -> Tree:
    """The graph of a target's lockfile. Errors as `find_lockfile` raises them."""
    return tree(find_lockfile(project, target)[1])


def why(graph: Tree, package: str) -> Chains:
    """Every chain that leads to a package; UsageError, with the nearest name, when it is not in the lockfile."""
    name = requirement_name(package)
    if name not in graph.nodes:
        near = difflib.get_close_matches(name, graph.nodes, n=1)
        raise UsageError(
            f"{package!r} is not in the lockfile of {graph.target}",
            hint=f"did you mean {near[0]}?" if near else f"`envctl tree {graph.target}` lists what is",
        )
    return chains(graph, name)
