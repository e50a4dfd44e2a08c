"""What to do about it: forms of uv's hints that a small index does not bring about."""

from __future__ import annotations

import pytest
from support.questions import question

from envctl.errors import IndexFailed, NoResolution, ToolFailed
from envctl.model.profile import Index
from envctl.resolve.hints import Asked, hints
from envctl.resolve.retelling import retell
from envctl.resolve.stderr import Told

ACME = Index(name="acme", url="https://user:s3cret@index.example/simple", packages=("acme-*",))


def asked(**changes: object) -> Asked:
    return Asked(question("lib", **changes), lambda name: ACME if name.startswith("acme-") else None)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (
            "Pre-releases are available for `lib` in the requested range (e.g., 3.0a1), but pre-releases weren't "
            "enabled (try: `--prerelease=allow`)",
            'lib 3.0a1 is a pre-release; a requirement that names one admits it: "lib>=3.0a1"',
        ),
        (
            "`lib` was requested with a pre-release marker (e.g., lib>=2a1), but pre-releases weren't enabled",
            "a pre-release of lib is needed (lib>=2a1); the profile has to ask for it itself",
        ),
        (
            "Wheels are available for `lib` (v1.0) with the following Python ABI tag: `cp39`",
            "lib 1.0 has wheels for cp39 only, not for Python 3.11.9",
        ),
        ("`lib` is odd, see https://user:s3cret@index.example/x", "lib is odd, see https://index.example/x"),
    ],
)
def test_uvs_hints_in_the_words_of_a_profile(hint: str, expected: str) -> None:
    assert list(hints(Told("No solution found", (), (hint,)), asked())) == [expected]


def test_the_same_hint_is_told_once_and_no_more_than_four() -> None:
    told = Told("No solution found", ("x",), ("one", "one", "two", "three", "four", "five"))
    error = retell(told, asked(), 1)
    assert isinstance(error, NoResolution)
    assert error.hint == "one\nhint: two\nhint: three\nhint: four"


def test_a_refusal_that_uv_reports_as_a_missing_package_is_the_indexs() -> None:
    told = Told(
        "No solution found when resolving dependencies",
        ("Because lib was not found in the package registry, we can conclude that it ends.",),
        ("An index URL (https://index.example/simple) returned a 403 Forbidden error. This could indicate …",),
    )
    error = retell(told, asked(), 1)
    assert isinstance(error, IndexFailed)
    assert error.file == "https://index.example/simple"


@pytest.mark.parametrize(
    ("cause", "found"),
    [
        ("invalid peer certificate: UnknownIssuer", "its certificate is not trusted"),
        ("Connection reset by peer (os error 104)", "the connection was cut"),
        ("something new", "something new"),
        ("HTTP status client error (407 Proxy Authentication Required) for url", "it answered 407 Proxy Auth"),
    ],
)
def test_reasons_of_a_failing_index(cause: str, found: str) -> None:
    told = Told("Failed to fetch: https://user:s3cret@index.example/simple/lib/", ("error sending request", cause))
    error = retell(told, asked(), 2)
    assert isinstance(error, IndexFailed)
    assert error.file == "https://index.example/simple/lib/"
    assert (error.found or "").startswith(found)
    assert "s3cret" not in str(error)


def test_silence_and_unknown_words_are_uvs_failure() -> None:
    silent = retell(Told(), asked(), 101)
    assert isinstance(silent, ToolFailed)
    assert "uv ended with status 101 and said nothing" in str(silent)
    spoken = retell(Told("thread panicked", ("at https://user:s3cret@index.example",), ("report `it`",)), asked(), 101)
    assert isinstance(spoken, ToolFailed)
    assert spoken.details == ("thread panicked", "at https://index.example")
    assert spoken.hint == "report `it`"


def test_a_very_long_explanation_is_cut_in_the_middle() -> None:
    cause = "\n".join(f"Because a{n} depends on b, we can conclude that c{n} cannot be used." for n in range(60))
    error = retell(Told("No solution found", (cause,)), asked(), 1)
    assert len(error.details) == 41
    assert error.details[0] == "a0 depends on b"
    assert error.details[10] == "… 80 more lines …"
    assert error.details[-1] == "so c59 cannot be used"
