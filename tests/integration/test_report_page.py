"""The HTML report in a real browser: for eyes, keyboards and screen readers, and against attackers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from support import reports
from support.browser import browser
from support.engine.place import Unavailable

from envctl.model.finding import Report
from envctl.report.html import render

pytestmark = pytest.mark.campaign

ALL = reports.reports()
Open = Callable[..., Page]
_VOID = {"meta", "input", "br", "rect", "path", "use", "link", "img"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as started:
            yield started
    except Unavailable as reason:
        pytest.skip(f"no browser: {reason}")


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report's page; afterwards nothing must have been complained of, and nothing loaded."""
    contexts, complaints = [], []

    def open_(report: Report, **options: object) -> Page:
        file = tmp_path / f"report-{len(contexts)}.html"
        file.write_text(render(report), "utf-8")
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    own = [f"{tmp_path.as_uri()}/report-{number}.html" for number in range(len(contexts))]
    assert [text for text in complaints if text.partition("#")[0] not in own] == []


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("changed", "light"),
        ("changed", "dark"),
        ("ok", "dark"),
        ("unverifiable", "light"),
        ("self", "dark"),
        ("foreign", "light"),
        ("ugly", "dark"),
    ],
)
def test_axe_finds_nothing(kind: str, scheme: str, opened: Open) -> None:
    report = reports.ugly_report() if kind == "ugly" else ALL[kind]
    page = opened(report, color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('details').forEach((group) => { group.open = true; })")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_axe_finds_nothing_on_a_narrow_screen_and_would_find_something(opened: Open) -> None:
    page = opened(ALL["changed"], viewport={"width": 360, "height": 720})
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate("document.querySelector('#query').previousElementSibling.remove()")
    page.evaluate("document.querySelector('#query').removeAttribute('placeholder')")
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == ["label"]


def test_the_first_words_are_the_answer(opened: Open) -> None:
    page = opened(ALL["changed"])
    assert page.title() == "changed: train:cpu - envctl verify"
    assert page.get_by_role("heading", level=1).inner_text().split() == ["changed", ".venv", "is", "not", "train:cpu"]
    assert page.get_by_role("heading", level=2).all_inner_texts() == [
        "Findings 7",
        "Packages 22",
        "What the codes mean",
        "What was compared",
    ]
    group = page.locator("details", has_text="scikit-learn")
    assert "sklearn/metrics/_classification.py" in group.inner_text()
    assert reports.sha("a") in group.inner_text()
    assert reports.sha("b") in group.inner_text()
    row = page.get_by_role("row", name="numpy")
    assert row.get_by_role("cell").all_inner_texts()[:4] == ["changed", "2.1.0", "2.1.0", "2"]
    ok = opened(ALL["ok"])
    assert ok.get_by_text("Nothing differs from the lockfile.").is_visible()
    assert opened(ALL["self"]).get_by_text("this is not a verdict that can be relied on").is_visible()


def test_search_and_filter_say_what_they_left(opened: Open) -> None:
    page = opened(ALL["changed"])
    status = page.get_by_role("status")
    assert status.inner_text() == "22 of 22 packages and 7 of 7 findings shown"
    search = page.get_by_role("searchbox", name="Search packages and findings")
    search.fill("NUMPY py.typed")
    assert status.inner_text() == "0 of 22 packages and 1 of 7 findings shown"
    search.fill("numpy")
    assert status.inner_text() == "1 of 22 packages and 2 of 7 findings shown"
    assert page.locator("#table tbody tr:visible th").all_inner_texts() == ["numpy"]
    search.fill("<nothing>")
    assert status.inner_text() == "0 of 22 packages and 0 of 7 findings shown"
    search.fill("")
    page.get_by_role("checkbox", name="ok", exact=True).uncheck()
    assert status.inner_text() == "3 of 22 packages and 7 of 7 findings shown"
    page.get_by_role("checkbox", name="changed").uncheck()
    assert status.inner_text() == "0 of 22 packages and 3 of 7 findings shown"


def test_all_of_it_is_there_for_the_keyboard(opened: Open) -> None:
    page = opened(ALL["changed"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    page.keyboard.type("torch")
    assert page.get_by_role("status").inner_text() == "1 of 22 packages and 0 of 7 findings shown"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first state
    assert page.get_by_role("status").inner_text() == "19 of 22 packages and 3 of 7 findings shown"
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is None
    head = page.get_by_role("columnheader", name="Size")
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("#table tbody th").first.inner_text() == "torch"
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    name = page.get_by_role("columnheader", name="Package")
    name.get_by_role("button").press("Enter")
    assert page.locator("#table tbody th").first.inner_text() == "contourpy"
    assert head.get_attribute("aria-sort") is None


def test_a_link_leads_to_findings_that_are_closed_or_filtered_away(opened: Open) -> None:
    page = opened(ALL["changed"])
    page.evaluate("document.querySelectorAll('details').forEach((group) => { group.open = false; })")
    page.get_by_role("searchbox").fill("classification")
    page.get_by_role("searchbox").fill("")
    page.get_by_role("row", name="numpy").get_by_role("link").click()
    assert page.locator("details", has_text="numpy/py.typed").get_attribute("open") is not None
    assert page.get_by_text("numpy/py.typed").is_visible()
    page.get_by_role("link", name="ENV202").first.click()
    assert page.evaluate("location.hash") == "#ENV202"


def test_without_scripts_everything_is_listed(opened: Open) -> None:
    page = opened(ALL["changed"], java_script_enabled=False)
    assert not page.get_by_role("search").is_visible()
    assert page.locator("li.finding").count() == 7
    assert all(item.is_visible() for item in page.locator("li.finding").all())
    assert page.locator("#table tbody tr").count() == 22
    assert page.get_by_role("columnheader").first.inner_text() == "Package"


def test_hostile_names_are_text(opened: Open) -> None:
    report = reports.ugly_report()
    page = opened(report)
    elements = page.evaluate("[...new Set([...document.body.querySelectorAll('*')].map((e) => e.localName))].sort()")
    assert set(elements) & {"img", "iframe", "object", "embed", "b", "base", "form", "link"} == {"b", "form"}
    assert page.locator("script").count() == page.locator("style").count() == 1
    text = page.locator("#groups").inner_text()
    assert "</script><script>alert(1)</script><img src=x onerror=alert(1)>" in text
    assert "evil\\u202efdp.exe" in text
    assert "with U+0440 cyrillic small letter er" in text
    assert "\u202e" not in page.content()
    # Code points beyond the report's own characters would have been obeyed by something on the way.
    assert page.evaluate("document.title").startswith("changed: train:cpu")


def test_the_policy_holds_when_somebody_gets_something_in(opened: Open, chromium: Browser, tmp_path: Path) -> None:
    evil = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    evil += "<style>body{color:red}</style>"
    page_text = render(ALL["ok"]).replace("<footer>", f"<footer>{evil}")
    file = tmp_path / "evil.html"
    file.write_text(page_text, "utf-8")
    page = chromium.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(file.as_uri())
    assert page.title() == "ok: train:cpu - envctl verify"
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    assert sum("Content Security Policy" in text for text in refused) == 4  # script, style, image, handler
    page.close()


def test_printed_it_is_white_and_whole(opened: Open) -> None:
    page = opened(ALL["changed"], color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach((group) => { group.open = false; })")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("search").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_by_text("numpy/py.typed").is_visible()


def test_very_many_findings_stay_usable(opened: Open) -> None:
    page = opened(reports.large_report(8_000, 600))
    assert "of 8,000 findings, the worst of each package first" in page.get_by_role("note").first.inner_text()
    page.get_by_role("searchbox").fill("package-0500")
    page.get_by_role("row", name="package-0500").get_by_role("link").wait_for()
    took = page.evaluate(
        """() => { const began = performance.now(); document.getElementById('query').dispatchEvent(
        new Event('input', {bubbles: true})); return performance.now() - began; }"""
    )
    assert took < 1_000


class _Outline(HTMLParser):
    """Attributes and text of a page, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.inside: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in _VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in ("script", "style"):
            self.inside[self.stack[-1]] = data


@pytest.mark.parametrize("kind", [*sorted(ALL), "ugly"])
def test_the_page_names_what_it_may_run_and_loads_nothing(kind: str) -> None:
    report = reports.ugly_report() if kind == "ugly" else ALL[kind]
    outline = _Outline()
    outline.feed(render(report))
    assert outline.stack == []
    assert len(outline.ids) == len(set(outline.ids))
    (policy,) = [value for _, name, value in outline.attributes if name == "content" and "default-src" in value]
    digests = {
        kind: "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in outline.inside.items()
    }
    assert policy == (
        f"default-src 'none'; style-src '{digests['style']}'; script-src '{digests['script']}';"
        " base-uri 'none'; form-action 'none'"
    )
    links = [value for _, name, value in outline.attributes if name in ("href", "src", "action", "xlink:href")]
    assert all(link.startswith("#") and link[1:] in outline.ids for link in links)
    assert not [name for _, name, _ in outline.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"url\((?!#)|@import", outline.inside["style"])
