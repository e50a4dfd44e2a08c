"""What needs what: roots, repeated branches, circles, chains."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lockfiles import make_lockfile, make_package

from envctl.lockfile.tree import Tree, chains, draw, tree


def graph(needs: dict[str, str], asked: str) -> Tree:
    packages = [make_package(name, needs=wanted.split()) for name, wanted in needs.items()]
    return tree(make_lockfile(packages, requirements=tuple(asked.split())))


def drawn(of: Tree, depth: int | None = None) -> list[str]:
    return [
        line.prefix + line.name + (" (*)" if line.shown else " …" if line.hidden else "") for line in draw(of, depth)
    ]


STACK = {"pandas": "numpy tz", "seaborn": "pandas numpy", "numpy": "", "tz": "", "six": ""}


def test_roots_are_what_the_profile_asks_for_under_any_spelling() -> None:
    of = graph({"scikit-learn": "numpy", "numpy": ""}, "Scikit_Learn>=1.7 numpy")
    assert of.roots == ("numpy", "scikit-learn")
    assert of.nodes["scikit-learn"].asked == ("Scikit_Learn>=1.7",)
    assert of.nodes["numpy"].needed_by == ("scikit-learn",)


def test_needs_are_drawn_once_and_repeats_are_marked() -> None:
    assert drawn(graph(STACK, "pandas seaborn six")) == [
        "pandas",
        "├── numpy",
        "└── tz",
        "seaborn",
        "├── numpy",
        "└── pandas (*)",
        "six",
    ]


def test_depth_cuts_and_says_so() -> None:
    of = graph({"a": "b", "b": "c", "c": ""}, "a")
    assert drawn(of, 0) == ["a …"]
    assert drawn(of, 1) == ["a", "└── b …"]
    assert drawn(of, 2) == ["a", "└── b", "    └── c"]


def test_a_circle_is_drawn_once() -> None:
    assert drawn(graph({"a": "b", "b": "a"}, "a")) == ["a", "└── b", "    └── a (*)"]


def test_what_nothing_leads_to_is_a_root_of_its_own() -> None:
    of = graph({"a": "", "lost": "b", "b": "", "x": "y", "y": "x"}, "a")
    assert of.roots == ("a", "lost", "x")
    assert {line.name for line in draw(of)} == set(of.nodes)


def test_needs_that_are_not_locked_are_left_out() -> None:
    assert graph({"a": "excluded"}, "a excluded").nodes["a"].needs == ()


def test_a_package_with_versions_by_platform_is_one_node() -> None:
    amd, arm = (f"platform_machine == '{machine}'" for machine in ("x86_64", "aarch64"))
    packages = [make_package("t", "1", marker=amd, needs=["n"]), make_package("t", "2", marker=arm), make_package("n")]
    node = tree(make_lockfile(packages, platforms=("linux/amd64", "linux/arm64"))).nodes["t"]
    assert (node.version, node.needs) == ("1, 2", ("n",))


def test_chains_come_shortest_first_and_end_at_the_package() -> None:
    found = chains(graph(STACK, "pandas seaborn six"), "numpy")
    assert found.chains == (("pandas", "numpy"), ("seaborn", "numpy"), ("seaborn", "pandas", "numpy"))
    assert (found.more, found.counted) == (0, True)
    assert found.node.needed_by == ("pandas", "seaborn")


def test_a_package_that_is_asked_for_is_its_own_shortest_chain() -> None:
    assert chains(graph(STACK, "numpy pandas"), "numpy").chains[:2] == (("numpy",), ("pandas", "numpy"))


def test_chains_through_a_circle_end() -> None:
    found = chains(graph({"r": "a", "a": "b", "b": "a c", "c": ""}, "r"), "c")
    assert found.chains == (("r", "a", "b", "c"),)
    assert found.counted


def test_what_is_beyond_the_limit_is_counted() -> None:
    needs = {f"r{n}": "x" for n in range(30)} | {"x": ""}
    found = chains(graph(needs, " ".join(needs)), "x", most=5)
    assert len(found.chains) == 5
    assert (found.more, found.counted) == (26, True)


def test_counting_stops_in_a_tangle() -> None:
    layers = [[f"n{level}-{n}" for n in range(6)] for level in range(12)]
    needs = {name: " ".join(below) for level, below in itertools.pairwise(layers) for name in level}
    needs |= dict.fromkeys(layers[-1], "x") | {"x": ""}
    found = chains(graph(needs, " ".join(layers[0])), "x")
    assert not found.counted


def test_a_deep_chain_needs_no_deep_stack() -> None:
    needs = {f"n{n}": f"n{n + 1}" for n in range(3000)} | {"n3000": ""}
    of = graph(needs, "n0")
    assert sum(1 for _ in draw(of)) == 3001
    assert len(chains(of, "n3000").chains[0]) == 3001


def test_an_unknown_package_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        chains(graph(STACK, "pandas"), "nothing")


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), min_size=1),
    st.sets(st.sampled_from("abcdef")),
)
def test_every_package_is_drawn_and_every_chain_is_one(needs: dict[str, set[str]], asked: set[str]) -> None:
    of = graph({name: " ".join(wanted - {name}) for name, wanted in needs.items()}, " ".join(asked))
    lines = list(draw(of))
    assert {line.name for line in lines} == set(needs)
    branches = [line.name for line in lines if of.nodes[line.name].needs and not line.shown]
    assert len(branches) == len(set(branches))
    for name in of.nodes:
        found = chains(of, name)
        assert found.chains or not found.counted
        for chain in found.chains:
            assert chain[0] in of.roots
            assert chain[-1] == name
            assert all(below in of.nodes[above].needs for above, below in itertools.pairwise(chain))
