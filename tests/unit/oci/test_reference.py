"""Image references: what people write, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.errors import UsageError
from envctl.oci.reference import Reference

HEX = "8f" * 32


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("python:3.11", "docker.io/library/python:3.11", "python:3.11"),
        ("docker.io/python:3.11", "docker.io/library/python:3.11", "python:3.11"),
        ("index.docker.io/library/python:3.11", "docker.io/library/python:3.11", "python:3.11"),
        ("nvidia/cuda:12.8.1", "docker.io/nvidia/cuda:12.8.1", "nvidia/cuda:12.8.1"),
        ("docker.io/library/a/b:1", "docker.io/library/a/b:1", "library/a/b:1"),
        ("docker.io/a.b/c:1", "docker.io/a.b/c:1", None),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"),
        ("[::1]:5000/a/b:t", "[::1]:5000/a/b:t", "[::1]:5000/a/b:t"),
        ("[2001:db8::1]/a", "[2001:db8::1]/a:latest", "[2001:db8::1]/a:latest"),
        ("Registry.Example/team/a__b--c.d:V1_2", "registry.example/team/a__b--c.d:V1_2", None),
        (f"python@sha256:{HEX}", f"docker.io/library/python@sha256:{HEX}", f"python@sha256:{HEX}"),
        (f"python:3@sha256:{HEX}", f"docker.io/library/python:3@sha256:{HEX}", f"python:3@sha256:{HEX}"),
        (f"r.example/a@sha512:{HEX * 2}", f"r.example/a@sha512:{HEX * 2}", None),
    ],
)
def test_a_reference_is_read_with_its_defaults(text, whole, familiar):
    found = Reference.parse(text)
    assert str(found) == whole
    assert found.familiar() == (whole if familiar is None else familiar)
    assert Reference.parse(str(found)) == found
    assert Reference.parse(found.familiar()) == found


@pytest.mark.parametrize(
    ("text", "why", "position"),
    [
        ("", "is empty", 0),
        ("Python", "has a name that is none", 0),
        ("team/Model:1", "has a name that is none", 5),
        ("a//b", "has a name that is none", 2),
        ("a/b_-c", "has a name that is none", 3),
        ("registry.example/", "has no name", 17),
        ("x:", "has no tag", 2),
        ("x:-1", "has a tag that is none", 2),
        ("x:" + "a" * 129, "has a tag that is none", 2),
        ("a:b:c", "has a tag that is none", 2),
        ("x@sha256:12", "has a digest that is none", 2),
        (f"x@sha256:{HEX.upper()}", "has a digest that is none", 2),
        (f"x@md5:{HEX}", "has a digest that is none", 2),
        ("https://registry.example/x", "begins with a scheme", 0),
        ("localhost:99999/x", "has a registry that is none", 0),
        ("[zz]/x", "has a registry that is none", 0),
        ("-a.example/x", "has a registry that is none", 0),
        (HEX, "is an image id", 0),
        ("a/" * 130 + "b", "more than 255 characters", 255),
    ],
)
def test_what_is_no_reference_is_pointed_at(text, why, position):
    with pytest.raises(UsageError) as error:
        Reference.parse(text)
    assert why in error.value.what
    lines = str(error.value).splitlines()
    if len(text) <= 200:
        assert lines[1] == f'  found:    "{text}"'
    assert lines[2].index("^") - lines[1].index('"') - 1 == min(position, 200)


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31m", "ä", "a b", " a"])
def test_a_reference_holds_no_other_characters(text):
    with pytest.raises(UsageError) as error:
        Reference.parse(text)
    assert "\x1b" not in str(error.value)


def test_capitals_are_hinted_at():
    with pytest.raises(UsageError) as error:
        Reference.parse("registry.example/Team/model:1")
    assert error.value.hint == "names are of lower-case letters: write 'registry.example/team/model:1'"


def test_the_digest_decides_where_both_are_said():
    both = Reference.parse(f"a:1@sha256:{HEX}")
    assert both.selector == f"sha256:{HEX}"
    assert Reference.parse("a:1").at(f"sha256:{HEX}") == both


_part = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,5})?", fullmatch=True)
_registry = st.sampled_from(["docker.io", "localhost", "localhost:5000", "r.example", "[::1]:80", "127.0.0.1:5000"])


@given(_registry, st.lists(_part, min_size=1, max_size=4), st.from_regex(r"\w[a-zA-Z0-9_.-]{0,20}", fullmatch=True))
def test_every_form_of_a_reference_means_the_same(registry, parts, tag):
    if not tag.isascii():
        return
    found = Reference.parse(f"{registry}/{'/'.join(parts)}:{tag}")
    assert Reference.parse(str(found)) == found
    assert Reference.parse(found.familiar()) == found


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text):
    try:
        found = Reference.parse(text)
    except UsageError:
        return
    assert Reference.parse(str(found)) == found
