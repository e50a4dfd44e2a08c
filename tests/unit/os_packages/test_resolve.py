"""What is installed beyond a base image: chosen as `apt-get` chooses."""

from __future__ import annotations

import pytest

from envctl.errors import NoResolution
from envctl.os_packages.control import Offers, installed
from envctl.os_packages.resolve import resolve


def paragraphs(*rows: str) -> str:
    """`name version; field: value; …`, one a row."""
    out = []
    for row in rows:
        first, *fields = (part.strip() for part in row.split(";"))
        name, version = first.split()
        out.append("\n".join([f"Package: {name}", f"Version: {version}", "Architecture: amd64", *fields]))
    return "\n\n".join(out)


def chosen(asked: str, archive: tuple[str, ...], base: tuple[str, ...] = (), **kept: str) -> dict[str, tuple[str, int]]:
    status = paragraphs(*(f"{row}; Status: install ok installed" for row in base))
    offers = Offers([("https://archive.example", paragraphs(*archive))], "amd64")
    found = resolve(asked.split(), installed(status, "amd64"), offers, kept)
    return {one.package.name: (one.package.version, one.step) for one in found}


def names(*args: object, **kept: str) -> list[str]:
    return list(chosen(*args, **kept))  # type: ignore[arg-type]


def test_all_that_is_needed_and_not_there_is_chosen() -> None:
    archive = ("a 1; Depends: b (>= 2), c; Recommends: r", "b 1", "b 2; Pre-Depends: d", "c 9", "d 1", "r 1")
    assert names("a", archive, ("c 1",)) == ["a", "b", "d"]


def test_what_the_base_has_stays_unless_something_needs_it_newer() -> None:
    archive = ("a 1; Depends: b", "b 2", "n 1; Depends: b (>= 2)")
    assert chosen("a b", archive, ("b 1",)) == {"a": ("1", 0)}
    assert chosen("n", archive, ("b 1",)) == {"b": ("2", 0), "n": ("1", 0)}


def test_a_version_that_is_named_is_taken() -> None:
    assert chosen("a=1", ("a 1", "a 2")) == {"a": ("1", 0)}
    assert chosen("a=1", ("a 1",), ("a 2",)) == {"a": ("1", 0)}
    with pytest.raises(NoResolution) as caught:
        chosen("a=3", ("a 1", "a 2"))
    assert "a (= 3): the archive has a 2, 1" in str(caught.value)


def test_kept_versions_are_taken_while_they_fit() -> None:
    assert chosen("a", ("a 1", "a 2"), a="1") == {"a": ("1", 0)}
    assert chosen("a", ("a 1", "a 2"), a="0") == {"a": ("2", 0)}
    assert chosen("b", ("a 1", "a 2", "b 1; Depends: a (>= 2)"), a="1")["a"] == ("2", 0)


def test_of_alternatives_the_one_that_is_there_else_the_first() -> None:
    archive = ("a 1; Depends: x | y", "x 1", "y 1")
    assert names("a", archive) == ["a", "x"]
    assert names("a", archive, ("y 1",)) == ["a"]
    assert names("a", ("a 1; Depends: x (>= 5) | y", "x 1", "y 1")) == ["a", "y"]


def test_a_name_may_be_provided() -> None:
    archive = ("a 1; Depends: mta", "p 1; Provides: mta; Priority: optional", "o 1; Provides: mta; Priority: extra")
    assert names("a", archive) == ["a", "p"]
    assert names("a", archive, ("o 1; Provides: mta",)) == ["a"]
    versioned = ("a 1; Depends: v (>= 2)", "p 1; Provides: v (= 1)", "q 1; Provides: v (= 2)", "r 1; Provides: v")
    assert names("a", versioned) == ["a", "q"]


def test_a_provided_name_cannot_be_asked_for_where_several_provide_it() -> None:
    with pytest.raises(NoResolution, match="a name for several packages"):
        chosen("mta", ("p 1; Provides: mta", "o 1; Provides: mta"))
    assert names("mta", ("p 1; Provides: mta",)) == ["p"]


def test_what_is_missing_is_told_with_who_needs_it() -> None:
    with pytest.raises(NoResolution) as caught:
        chosen("a", ("a 1; Depends: b", "b 1; Depends: c (>= 2) | d", "c 1"))
    assert caught.value.exit_code == 4
    text = str(caught.value)
    assert "the OS package c (>= 2) | d cannot be had" in text
    assert "needed by b, for a" in text
    assert "c (>= 2): the archive has c 1" in text
    assert "d: the archive has no such package" in text


def test_two_that_need_different_versions_do_not_go_together() -> None:
    with pytest.raises(NoResolution, match="cannot be had"):
        chosen("a b", ("a 1; Depends: l (= 1)", "b 1; Depends: l (= 2)", "l 1", "l 2"))


def test_conflicts_with_the_base_are_told() -> None:
    with pytest.raises(NoResolution) as caught:
        chosen("a", ("a 1; Conflicts: b",), ("b 1",))
    assert "a 1 cannot be beside b 1 (b)" in str(caught.value)
    with pytest.raises(NoResolution):
        chosen("a", ("a 1",), ("b 1; Breaks: a",))
    assert names("a", ("a 1; Conflicts: m; Provides: m",)) == ["a"]


def test_what_a_newer_package_breaks_is_renewed_with_it() -> None:
    archive = ("n 2; Breaks: b (<< 2)", "b 2")
    assert chosen("n", archive, ("b 1",)) == {"b": ("2", 0), "n": ("2", 0)}
    tied = ("n 1; Depends: lib (>= 2)", "lib 2", "lib-bin 2; Depends: lib (= 2)")
    assert chosen("n", tied, ("lib 1", "lib-bin 1; Depends: lib (= 1)")) == {
        "lib": ("2", 0),
        "lib-bin": ("2", 0),
        "n": ("1", 0),
    }


def test_steps_put_before_what_is_needed_to_unpack() -> None:
    archive = ("a 1; Pre-Depends: b", "b 1; Depends: c", "c 1; Depends: b", "d 1; Depends: a", "e 1")
    assert chosen("d e", archive) == {"a": ("1", 1), "b": ("1", 0), "c": ("1", 0), "d": ("1", 1), "e": ("1", 0)}


def test_circles_end() -> None:
    assert names("a", ("a 1; Depends: b", "b 1; Depends: a")) == ["a", "b"]
