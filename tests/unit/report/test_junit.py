"""The report as JUnit XML: what a CI system reads out of it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema
from support import reports

from envctl.model.codes import named
from envctl.model.finding import Report, Verdict
from envctl.report.junit import render

SCHEMA = xmlschema.XMLSchema(str(Path(reports.__file__).with_name("junit.xsd")))
ALL = reports.reports() | {"ugly": reports.ugly_report()}


def suite(report: Report) -> Element:
    found = ElementTree.fromstring(render(report)).find("testsuite")
    assert found is not None
    return found


def outcomes(report: Report) -> dict[str, str]:
    """Case -> what came of it."""
    tags = ("failure", "error", "skipped")
    return {
        case.attrib["name"]: next((tag for tag in tags if case.find(tag) is not None), "passed")
        for case in suite(report).iter("testcase")
    }


@pytest.mark.parametrize("kind", ALL)
def test_the_file_is_what_readers_of_junit_agree_on(kind: str) -> None:
    SCHEMA.validate(render(ALL[kind]))


def test_the_schema_refuses_what_it_should() -> None:
    good = render(ALL["ok"])
    for bad in (
        good.replace("<testcase ", "<testcase status='x' "),
        good.replace('tests="', 'tests="-'),
        "<testsuite/>",
    ):
        assert not SCHEMA.is_valid(bad)


@pytest.mark.parametrize("kind", ALL)
def test_the_numbers_are_those_of_the_cases(kind: str) -> None:
    found = suite(ALL[kind])
    said = list(outcomes(ALL[kind]).values())
    if kind != "ugly":  # there two names are one after cleaning
        assert int(found.attrib["tests"]) == len(said)
        assert int(found.attrib["failures"]) == said.count("failure")
        assert int(found.attrib["errors"]) == said.count("error")
        assert int(found.attrib["skipped"]) == said.count("skipped")


def test_every_package_is_a_case_also_when_all_is_well() -> None:
    found = outcomes(ALL["ok"])
    assert {state.name for state in ALL["ok"].packages} <= set(found)
    assert set(found.values()) == {"passed", "skipped"}
    assert found["interpreter"] == "skipped"
    assert "Base image, OS packages and settings" not in found
    assert "Base image, OS packages and settings" in outcomes(ALL["image"])


def test_what_differs_fails_and_what_could_not_be_read_is_an_error() -> None:
    changed = outcomes(ALL["changed"])
    assert [changed[name] for name in ("numpy", "six", "scikit-learn", "torch")] == [*["failure"] * 3, "passed"]
    assert changed["Startup code and bytecode"] == changed["Files that belong to no package"] == "failure"
    unread = outcomes(ALL["unverifiable"])
    assert unread["numpy"] == unread["What could not be verified"] == "error"
    assert "failure" not in unread.values()


def test_warnings_are_said_and_fail_only_where_they_count() -> None:
    assert outcomes(ALL["warning"])["pip"] == "passed"
    (case,) = [case for case in suite(ALL["warning"]).iter("testcase") if case.attrib["name"] == "pip"]
    assert "warning ENV105 package-seeded" in case.findtext("system-out", "")
    assert outcomes(ALL["strict"])["pip"] == "failure"


def test_the_environments_word_about_itself_is_no_success() -> None:
    report = ALL["self"]
    assert set(outcomes(report).values()) == {"error", "passed"}
    bare = reports.make_report(scope=("self",), verdict=Verdict.UNVERIFIABLE, packages=())
    assert outcomes(bare)["verdict"] == "error"


def test_a_required_signature_is_a_case() -> None:
    assert outcomes(ALL["signed"])["Signature of the lockfile"] == "passed"
    assert outcomes(ALL["unsigned"]) == {"Signature of the lockfile": "failure"}
    assert "Signature of the lockfile" not in outcomes(ALL["ok"])


def test_a_failure_says_what_was_found() -> None:
    (case,) = [case for case in suite(ALL["changed"]).iter("testcase") if case.attrib["name"] == "numpy"]
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "changed", "message": "changed: 1 file-changed, 1 file-removed"}
    assert "error ENV202 file-removed numpy/py.typed: is missing (expected sha256:" in (failure.text or "")
    assert case.attrib["classname"] == "train:cpu.packages"


def test_what_has_no_room_is_counted() -> None:
    changed = named("file-changed")
    many = tuple(changed.finding("differs", package="numpy", path=f"n/{n}.py") for n in range(500))
    (case,) = [case for case in suite(reports.make_report(many)).iter("testcase") if case.attrib["name"] == "numpy"]
    lines = (case.findtext("failure") or "").splitlines()
    assert len(lines) == 100
    assert lines[-1] == "and 401 file-changed more"
    large = suite(reports.large_report())
    cases = [case for case in large.iter("testcase") if case.find("failure") is not None]
    assert len(cases) == 1_000
    assert all(case.findtext("failure") for case in cases)
