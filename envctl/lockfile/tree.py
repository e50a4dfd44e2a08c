"""What needs what in a lockfile: pure. Cycles are safe everywhere; distributions do need each other in circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from envctl.model.lockfile import Lockfile
from envctl.model.names import requirement_name

CHAINS = 20
_MOST_STEPS = 20_000


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution by its normalised name. `version` joins several where platforms differ; `needs` are names.

    `asked`: the requirements of the profile that ask for it, as written.
    """

    name: str
    version: str
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    asked: tuple[str, ...]


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """Every distribution by name; the roots are those that the profile asks for, and those that nothing needs."""

    target: str
    roots: tuple[str, ...]
    nodes: dict[str, Node]


class Chains(msgspec.Struct, frozen=True, kw_only=True):
    """Chains from a root to a distribution, the shortest first. `more`: how many were found beyond those listed.

    `counted`: whether `more` is all of them; in tangled graphs counting stops.
    """

    node: Node
    chains: tuple[tuple[str, ...], ...]
    more: int
    counted: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a drawn tree. `shown`: its needs stand elsewhere in the tree; `hidden`: cut off by the depth."""

    name: str
    prefix: str
    shown: bool = False
    hidden: bool = False


def tree(lockfile: Lockfile) -> Tree:
    """The graph of a lockfile, over all its platforms."""
    versions: dict[str, list[str]] = {}
    needs: dict[str, set[str]] = {}
    for package in lockfile.packages:
        versions.setdefault(package.name, []).append(package.version)
        needs.setdefault(package.name, set()).update(dependency.name for dependency in package.dependencies)
    needed_by: dict[str, set[str]] = {name: set() for name in versions}
    for name, wanted in needs.items():
        for other in wanted & versions.keys():
            needed_by[other].add(name)
    asked: dict[str, list[str]] = {}
    for text in lockfile.envctl.requirements:
        asked.setdefault(requirement_name(text), []).append(text)
    nodes = {
        name: Node(
            name=name,
            version=", ".join(dict.fromkeys(versions[name])),
            needs=tuple(sorted(needs[name] & versions.keys())),
            needed_by=tuple(sorted(needed_by[name])),
            asked=tuple(asked.get(name, ())),
        )
        for name in sorted(versions)
    }
    return Tree(target=lockfile.target, roots=_roots(nodes), nodes=nodes)


def _roots(nodes: dict[str, Node]) -> tuple[str, ...]:
    """What is asked for; then, until everything is reached, what nothing else leads to (a circle's first name)."""
    roots = [name for name, node in nodes.items() if node.asked]
    reached = _reach(nodes, roots)
    for start in sorted(nodes, key=lambda name: (bool(nodes[name].needed_by), name)):
        if start not in reached:
            roots.append(start)
            reached |= _reach(nodes, [start])
    return tuple(roots)


def _reach(nodes: dict[str, Node], starts: Sequence[str]) -> set[str]:
    reached, queue = set(starts), list(starts)
    while queue:
        new = [name for name in nodes[queue.pop()].needs if name not in reached]
        reached.update(new)
        queue += new
    return reached


def draw(graph: Tree, depth: int | None = None) -> Iterator[Line]:
    """The tree's lines from the roots down. The needs of a distribution are drawn once; `depth` 0 draws roots only."""
    drawn: set[str] = set()
    stack = [(name, "", "", 0) for name in reversed(graph.roots)]
    while stack:
        name, prefix, below, level = stack.pop()
        needs = graph.nodes[name].needs
        again, cut = bool(needs) and name in drawn, bool(needs) and depth is not None and level >= depth
        yield Line(name=name, prefix=prefix, shown=again, hidden=cut and not again)
        if again or cut:
            continue
        drawn.add(name)
        for number, need in enumerate(reversed(needs)):
            last = number == 0
            stack.append((need, below + ("└── " if last else "├── "), below + ("    " if last else "│   "), level + 1))


def chains(graph: Tree, name: str, most: int = CHAINS) -> Chains:
    """Every way from a root to a distribution, the shortest first and each without a circle; KeyError for no node."""
    node, roots = graph.nodes[name], set(graph.roots)
    found: list[tuple[str, ...]] = []
    queue: deque[tuple[str, ...]] = deque([(name,)])
    steps = 0
    while queue and steps < _MOST_STEPS:
        chain = queue.popleft()
        steps += 1
        if chain[0] in roots:
            found.append(chain)
        queue.extend((above, *chain) for above in graph.nodes[chain[0]].needed_by if above not in chain)
    return Chains(node=node, chains=tuple(found[:most]), more=max(len(found) - most, 0), counted=not queue)
