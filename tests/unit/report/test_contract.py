"""What every format promises, whatever the report says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import reports

from envctl.model.codes import named
from envctl.model.finding import Report, Subject, Verdict
from envctl.report.formats import FORMATS, adapter, meant_by
from envctl.report.text import Style
from envctl.report.text import render as render_text

ALL = reports.reports() | {"ugly": reports.ugly_report()}
MOST_SECONDS = 2.0  # for 50,000 findings on 1,000 packages
MOST_BYTES = {"text": 8_000, "json": 40_000_000, "junit": 2_000_000, "sarif": 10_000_000, "html": 5_000_000}


@pytest.fixture(scope="module")
def large() -> Report:
    return reports.large_report()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ALL)
def test_a_report_is_text_that_every_reader_takes(name: str, kind: str) -> None:
    text = adapter(name)(ALL[kind])
    assert text == adapter(name)(ALL[kind])
    assert text == text.rstrip("\n") != ""
    assert text.encode("utf-8").decode("utf-8") == text
    assert {char for char in text if not char.isprintable()} <= {"\n"}
    assert ALL[kind].verdict.value in text
    assert ALL[kind].target in text


def looks_bad(name: str, text: str) -> bool:
    """Whether somebody who looks at nothing but this format's own signals sees that something is wrong."""
    if name == "text":
        return not text.startswith("ok: ")
    if name == "json":
        return json.loads(text)["verdict"] != "ok"
    if name == "junit":
        root = ElementTree.fromstring(text)
        return int(root.attrib["failures"]) + int(root.attrib["errors"]) > 0
    if name == "sarif":
        (run,) = json.loads(text)["runs"]
        failed = not run["invocations"][0]["executionSuccessful"]
        return failed or any(result["level"] == "error" for result in run["results"])
    return '<html lang="en" class="ok">' not in text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ALL)
def test_only_ok_looks_like_success(name: str, kind: str) -> None:
    assert looks_bad(name, adapter(name)(ALL[kind])) is (ALL[kind].verdict is not Verdict.OK)


@pytest.mark.parametrize("name", FORMATS)
def test_very_many_findings_take_little_time_and_room(name: str, large: Report) -> None:
    render = adapter(name)
    began = time.process_time()
    text = render(large)
    assert time.process_time() - began < MOST_SECONDS
    assert len(text.encode()) < MOST_BYTES[name]
    if name == "json":
        assert len(json.loads(text)["findings"]) == len(large.findings)
    else:
        assert "file-changed" in text
        assert any(word in text for word in ("more", "left out"))


@pytest.fixture(scope="module")
def endless() -> Report:
    """A hundred thousand findings on one package, thousands of them with paths of 4,000 characters."""
    code = named("file-changed")
    paths = ("p/" * (2_000 if number < 4_000 else 2) + str(number) for number in range(100_000))
    return reports.make_report(tuple(code.finding(p, package="numpy", path=p, found=p) for p in paths))


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json"}))
def test_very_many_findings_of_one_package_with_long_paths_are_bounded(name: str, endless: Report) -> None:
    assert len(adapter(name)(endless)) < MOST_BYTES[name]


@pytest.mark.parametrize("name", FORMATS)
@given(text=st.text(st.characters(), min_size=1, max_size=40))
def test_any_text_stays_text(name: str, text: str) -> None:
    finding = named("file-added").finding(text, package=text, path=text, expected=text, found=text)
    report = reports.make_report((finding,), target=text, subject=Subject(kind="venv", name=text))
    rendered = adapter(name)(report)
    assert rendered.encode("utf-8")
    if name in ("json", "sarif"):
        assert json.loads(rendered)
    if name == "junit":
        assert ElementTree.fromstring(rendered).find("testsuite/testcase/failure") is not None


def test_a_files_ending_asks_for_a_format() -> None:
    assert meant_by("a.json") == "json"
    assert meant_by("out/TEST-env.XML") == "junit"
    assert meant_by("a.sarif") == meant_by("a.sarif.json") == "sarif"
    assert meant_by("a.html") == meant_by("a.b.htm") == "html"
    assert meant_by("a.txt") == meant_by("json") == meant_by("") == meant_by("a.json.gz") == "text"
    assert {meant_by(f"a{ending}") for ending in (".json", ".xml", ".sarif", ".html", "")} == set(FORMATS)


def test_every_format_is_one_adapter_and_every_adapter_a_format() -> None:
    folder = Path(__file__).parents[3] / "envctl" / "report"
    assert {path.stem for path in folder.glob("*.py") if "\ndef render(" in path.read_text("utf-8")} == set(FORMATS)


def test_the_text_is_at_most_a_screen(large: Report) -> None:
    for report in (large, reports.changed_report(), ALL["ugly"]):
        lines = render_text(report).splitlines()
        assert len(lines) <= 30
        assert all(len(line) <= 300 for line in lines)
    assert render_text(large).splitlines()[0] == "changed: .venv is not train:cpu"
    assert "more; `-v` shows all" in render_text(large)
    whole = render_text(large, style=Style(verbose=True))
    assert whole.count("ENV") >= len(large.findings)
    assert "`-v`" not in whole


def test_the_text_shows_several_packages_where_one_has_very_many_findings() -> None:
    changed = named("file-changed")
    many = tuple(changed.finding("differs", package="numpy", path=f"numpy/{n}.py") for n in range(500))
    hook = named("startup-hook-added").finding("runs at every start of Python", path="lib/zz.pth")
    lines = render_text(
        reports.make_report((*many, changed.finding("x", package="six", path="six.py"), hook))
    ).splitlines()
    assert lines[1] == "  numpy"
    assert "    ENV201  six.py  x" in lines
    assert "    ENV401  lib/zz.pth  runs at every start of Python" in lines
    shown = sum("numpy/" in line for line in lines)
    assert f"  and {500 - shown} file-changed more; `-v` shows all" in lines
