"""The registry of findings, and the pages made from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import finding_pages

from envctl.commands.explain import explain
from envctl.errors import UsageError
from envctl.model.codes import CODES, named, verdict_of
from envctl.model.finding import Severity, Verdict

DOCS = Path(__file__).parents[3] / "docs" / "findings"
PAGES = {f"{code.code}.md": finding_pages.page(code) for code in CODES.values()} | {"README.md": finding_pages.index()}


def test_codes_and_names_are_each_others_only_one() -> None:
    assert len({code.name for code in CODES.values()}) == len(CODES)
    assert list(CODES) == sorted(CODES)
    assert all(code.code[3] in "1234567" or code.asks is Verdict.UNVERIFIABLE for code in CODES.values())
    assert all(code.asks is not Verdict.OK for code in CODES.values())
    assert (CODES["ENV201"].name, CODES["ENV401"].name) == ("file-changed", "startup-hook-added")


@pytest.mark.parametrize("name", PAGES)
def test_golden_page_of_every_code(name: str) -> None:
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        (DOCS / name).write_text(PAGES[name], encoding="utf-8", newline="\n")
    assert (DOCS / name).read_text("utf-8") == PAGES[name], "`make golden` writes it anew"


def test_there_is_no_page_of_a_code_that_does_not_exist() -> None:
    assert {path.name for path in DOCS.iterdir()} == set(PAGES)


def test_the_worst_finding_decides() -> None:
    changed, added = named("file-changed").finding("x"), named("file-added").finding("x")
    unreadable, seeded, key = (named(n).finding("x") for n in ("unreadable", "package-seeded", "config-key"))
    assert verdict_of([]) is Verdict.OK
    assert verdict_of([seeded, key]) is Verdict.OK
    assert verdict_of([seeded, key], strict=True) is Verdict.UNTRUSTED
    assert verdict_of([key], strict=True) is Verdict.OK
    assert verdict_of([unreadable, seeded]) is Verdict.UNVERIFIABLE
    assert verdict_of([unreadable, added]) is Verdict.UNTRUSTED
    assert verdict_of([unreadable, added, changed]) is Verdict.CHANGED
    milder = named("file-changed").finding("x", severity=Severity.WARNING)
    assert verdict_of([milder]) is Verdict.OK


def test_a_code_is_found_by_its_number_and_by_its_name() -> None:
    assert explain("env201").codes == explain("File-Changed").codes == (CODES["ENV201"],)
    assert len(explain().codes) == len(CODES)
    with pytest.raises(UsageError, match="no code") as raised:
        explain("file-chnaged")
    assert raised.value.hint is not None
    assert "file-changed" in raised.value.hint
