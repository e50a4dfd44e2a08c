"""WWW-Authenticate: every form that registries send, and any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.oci.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ("Basic realm=registry", [Challenge("basic", {"realm": "registry"})]),
        ('BASIC Realm = "a b" , charset="UTF-8"', [Challenge("basic", {"realm": "a b", "charset": "UTF-8"})]),
        (
            'Basic realm="x", Bearer realm="y\\"z",service=q',
            [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": 'y"z', "service": "q"})],
        ),
        ("Negotiate, Basic realm=x", [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        ("Bearer", [Challenge("bearer", {})]),
        (',, Bearer realm="x"', [Challenge("bearer", {"realm": "x"})]),
        ('Bearer realm="first",realm="second"', [Challenge("bearer", {"realm": "first"})]),
        ('Bearer realm="never ends', [Challenge("bearer", {})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_read(header, found):
    assert parse_challenges(header) == found


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_header_is_read_to_its_end(header):
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower() != ""


def test_a_header_without_end_takes_no_time():
    assert len(parse_challenges('a="\\' * 100_000)) <= 1
    assert len(parse_challenges("x " * 100_000)) <= 5000
