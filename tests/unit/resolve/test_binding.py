"""Which index a package belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.errors import InvalidFile
from envctl.model.names import normalise
from envctl.model.profile import Index
from envctl.resolve.binding import Bindings


def index(name: str, *packages: str) -> Index:
    return Index(name=name, url=f"https://{name}.example/simple", packages=packages)


def owner(bindings: Bindings, name: str) -> str | None:
    found = bindings.owner(name)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme-core", "globs"),
        ("ACME_Core", "globs"),
        ("acme.core", "globs"),
        ("acme", None),
        ("not-acme-core", None),
        ("special", "exact"),
        ("acme-exact", "exact"),
        ("lib-1", "globs"),
        ("lib-x", None),
        ("one", "globs"),
        ("onee", None),
    ],
)
def test_names_are_compared_normalised_and_exact_ones_go_before_globs(name: str, expected: str | None) -> None:
    bindings = Bindings.of([index("globs", "Acme_*", "lib-[0-9]", "?ne"), index("exact", "special", "ACME.Exact")])
    assert owner(bindings, name) == expected


def test_of_several_that_match_the_first_wins() -> None:
    assert owner(Bindings.of([index("a", "x-*"), index("b", "x-*", "x-y")]), "x-z") == "a"
    assert owner(Bindings.of([index("a", "x-*"), index("b", "x-*", "x-y")]), "x-y") == "b"
    assert owner(Bindings.of([index("a", "x-y"), index("b", "x-y")]), "x-y") == "a"


def test_an_index_without_packages_replaces_the_default_and_there_can_be_one() -> None:
    bindings = Bindings.of([index("a", "x"), index("own")])
    assert bindings.unbound is not None
    assert bindings.unbound.name == "own"
    assert owner(bindings, "y") is None
    with pytest.raises(InvalidFile, match="'own' and 'other'"):
        Bindings.of([index("own"), index("a", "x"), index("other")])


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True)


@given(NAMES)
def test_a_name_is_bound_however_it_is_spelled(name: str) -> None:
    bindings = Bindings.of([index("a", name)])
    for spelling in (name, name.upper(), normalise(name), name.replace("-", "_"), name.replace("_", ".")):
        assert owner(bindings, spelling) == "a"
    assert normalise(normalise(name)) == normalise(name)
