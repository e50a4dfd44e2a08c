"""uv's messages taken apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envctl.resolve.stderr import parse

PRESENT = """\
warning: `lib-1.0-py3-none-any.whl` is missing an upload date, but user provided: 2026-06-01T00:00:00Z
error: No solution found when resolving dependencies
  cause: Because only the following versions of many are available:
             many<=2.0
             many>2.5
         and all of:
             other<=0.0
             other>=4.0
          are incompatible, we can conclude that top depends on one of:
             many<1
             many>=2
         , all is lost. (1)

         And because you know it, we can conclude that it ends.

hint: Metadata for `lib` (v1.0) could not be parsed:
  no such operator
  foo>>1
     ^^^

hint: another
"""
DRAWN = """\
\x1b[1m\x1b[31m  ×\x1b[39m\x1b[0m No solution found when resolving dependencies:
  ╰─▶ Because a depends on b
      and c, we can conclude that d.
      And because e, we can conclude that f.

      hint: `a` is odd
"""
CHAINED = """\
  × Failed to fetch: `https://index.example/simple/lib/`
  ├─▶ error sending request
  │   for url
  ╰─▶ operation timed out
"""


def test_the_present_form() -> None:
    told = parse(PRESENT)
    assert told.headline == "No solution found when resolving dependencies"
    assert told.causes == (
        "Because only the following versions of many are available: many<=2.0, many>2.5 and all of: other<=0.0, "
        "other>=4.0 are incompatible, we can conclude that top depends on one of: many<1, many>=2, all is lost. (1)\n"
        "And because you know it, we can conclude that it ends.",
    )
    assert told.hints == ("Metadata for `lib` (v1.0) could not be parsed: no such operator foo>>1", "another")
    assert "is missing an upload date" in told.warnings[0]


def test_the_older_form_with_boxes_and_colour() -> None:
    told = parse(DRAWN)
    assert told.headline == "No solution found when resolving dependencies:"
    assert told.causes == (
        "Because a depends on b and c, we can conclude that d.\nAnd because e, we can conclude that f.",
    )
    assert told.hints == ("`a` is odd",)


def test_a_chain_of_causes() -> None:
    told = parse(CHAINED)
    assert told.headline == "Failed to fetch: `https://index.example/simple/lib/`"
    assert told.causes == ("error sending request for url", "operation timed out")
    assert parse("error: a\n  Caused by: b\n").causes == ("b",)


def test_progress_and_nothing_have_no_headline() -> None:
    assert parse("Resolved 3 packages in 2ms\n").headline == ""
    assert parse("").headline == ""


@given(st.text())
def test_no_text_makes_it_fail_and_no_control_character_comes_through(text: str) -> None:
    told = parse(text)
    for part in (told.headline, *told.causes, *told.hints, *told.warnings):
        assert not any(char in part for char in "\x1b\x00\x07\x7f")
