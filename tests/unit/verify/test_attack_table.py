"""The attack table itself: what it says exists, and the page is made from it."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest
from support import attack_pages
from support.attacks import CONTAINER, IMAGE, ROWS, VENV

from envctl.model.codes import CODES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "attacks.md"
ALLOWED = {
    *("installers' notes", "bytecode", "entry points' scripts", "activation scripts", "seeded pip", "makers' notes"),
    *("[policy] writable", "virtualenv's _virtualenv.pth", "uv's .lock", "the editable project", "the link lib64"),
}


def test_golden_page_of_the_attack_table() -> None:
    if os.environ.get("ENVCTL_GOLDEN") == "rewrite":
        PAGE.write_text(attack_pages.page(), encoding="utf-8", newline="\n")
    assert PAGE.read_text("utf-8") == attack_pages.page(), "`make golden` writes it anew"


def test_rows_are_each_others_only_one() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 200
    assert {place for row in ROWS for place in row.where} == {VENV, IMAGE, CONTAINER}


def test_each_allowed_difference_has_a_row_that_abuses_it() -> None:
    assert set(attack_pages.abused()) == ALLOWED


@pytest.mark.parametrize(
    "check", sorted({one for row in ROWS if row.code < "ENV7" or row.code > "ENV8" for one in row.check.split(" and ")})
)
def test_checks_that_rows_name_exist(check: str) -> None:
    module, _, name = check.rpartition(".")
    assert callable(getattr(importlib.import_module(f"envctl.verify.{module}"), name))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_done_somewhere(row) -> None:
    assert row.code in CODES
    assert row.path or row.says or row.code == "ENV302" or row.code == "ENV901"
    if row.proof:
        file, _, function = row.proof.partition("::")
        assert re.search(rf"(?m)^def {function}\(", (ROOT / file).read_text("utf-8")), row.proof
    else:
        assert row.deed is not None or row.steps or row.group == "said" or row.environ
