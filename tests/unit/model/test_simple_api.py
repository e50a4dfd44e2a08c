from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.model.simple_api import JSON_TYPE, SimpleFile, parse_project_page, to_json

PAGE = "https://index.example/simple/demo/"
SHA = "ab" * 32


def html(*links: str, head: str = "") -> bytes:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(links)}</body></html>".encode()


def page(files: object, version: str = "1.1") -> bytes:
    return json.dumps({"meta": {"api-version": version}, "name": "demo", "files": files}).encode()


def test_a_html_page_is_read_with_all_its_attributes() -> None:
    link = (
        f'<a href="../../files/demo-1.0-py3-none-any.whl#sha256={SHA.upper()}" data-requires-python="&gt;=3.10,&lt;4" '
        'data-yanked="too &quot;old&quot;" data-core-metadata="sha256=00" '
        "data-upload-time='2026-01-02T03:04:05.678Z'>demo</a>"
    )
    assert parse_project_page(html(link), "text/html; charset=utf-8", PAGE) == (
        SimpleFile(
            filename="demo-1.0-py3-none-any.whl",
            url="https://index.example/files/demo-1.0-py3-none-any.whl",
            sha256=SHA,
            upload_time=datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc),
            yanked='too "old"',
            requires_python=">=3.10,<4",
            core_metadata=True,
        ),
    )


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('<a href="demo-1.tar.gz">', f"{PAGE}demo-1.tar.gz"),
        ("<a href=demo-1.tar.gz>", f"{PAGE}demo-1.tar.gz"),
        ("<A HREF='demo-1.tar.gz' />", f"{PAGE}demo-1.tar.gz"),
        ('<a\n rel="x"\thref = "demo-1.tar.gz" download>', f"{PAGE}demo-1.tar.gz"),
        ('<a href="//files.example/demo-1.tar.gz">', "https://files.example/demo-1.tar.gz"),
        ('<a href="https://me:secret@files.example/demo-1.tar.gz">', "https://files.example/demo-1.tar.gz"),
        ('<a href="http://files.example/demo-1.tar.gz?key=a#md5=00">', "http://files.example/demo-1.tar.gz?key=a"),
        ('<a href="first-1.tar.gz" href="second-1.tar.gz">', f"{PAGE}first-1.tar.gz"),
        ('<a title="a > b" href="demo-1.tar.gz">', f"{PAGE}demo-1.tar.gz"),
        ('<!-- <a href="old-1.tar.gz"> --><a href="demo-1.tar.gz">', f"{PAGE}demo-1.tar.gz"),
        ('<a name="top"></a><a href="../">up</a><a href="demo-1.tar.gz">', f"{PAGE}demo-1.tar.gz"),
    ],
)
def test_links_are_found_however_they_are_written(link: str, url: str) -> None:
    (file,) = parse_project_page(html(link), "text/html", PAGE)
    assert file.url == url
    assert file.sha256 is None


def test_names_are_decoded_from_the_url() -> None:
    (file,) = parse_project_page(html('<a href="demo-1.0%2Bcpu-py3-none-any.whl">'), "text/html", PAGE)
    assert file.filename == "demo-1.0+cpu-py3-none-any.whl"
    assert file.url == f"{PAGE}demo-1.0%2Bcpu-py3-none-any.whl"


def test_a_base_element_moves_relative_links() -> None:
    (file,) = parse_project_page(html('<a href="d-1.tar.gz">', head='<base href="/other/">'), "text/html", PAGE)
    assert file.url == "https://index.example/other/d-1.tar.gz"


@pytest.mark.parametrize("yanked", [("", True), (' data-yanked=""', True), (' data-yanked="bad"', "bad")])
def test_yanked_is_a_flag_or_a_reason(yanked: tuple[str, bool | str]) -> None:
    attribute, value = yanked
    (file,) = parse_project_page(html(f'<a href="d-1.tar.gz"{attribute or " data-yanked"}>'), "text/html", PAGE)
    assert file.yanked == value


def test_a_json_page_is_read_and_what_is_new_in_it_ignored() -> None:
    body = page(
        [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../../files/demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": SHA, "blake2b": "x"},
                "size": 12,
                "upload-time": "2026-01-02T03:04:05+02:00",
                "yanked": "bad",
                "requires-python": ">=3.10",
                "core-metadata": {"sha256": SHA},
                "something-new": [1],
            }
        ],
        version="1.9",
    )
    assert parse_project_page(body, JSON_TYPE, PAGE) == (
        SimpleFile(
            filename="demo-1.0-py3-none-any.whl",
            url="https://index.example/files/demo-1.0-py3-none-any.whl",
            sha256=SHA,
            size=12,
            upload_time=datetime(2026, 1, 2, 1, 4, 5, tzinfo=timezone.utc),
            yanked="bad",
            requires_python=">=3.10",
            core_metadata=True,
        ),
    )


def test_the_form_is_recognised_where_the_content_type_says_neither() -> None:
    files = [{"filename": "d-1.tar.gz", "url": "d-1.tar.gz", "hashes": {}}]
    from_json = parse_project_page(page(files), "application/octet-stream", PAGE)
    assert from_json == parse_project_page(html('<a href="d-1.tar.gz">'), "", PAGE)


def test_a_page_without_files_is_a_page() -> None:
    assert parse_project_page(html(), "text/html", PAGE) == ()
    assert parse_project_page(page([]), "application/json", PAGE) == ()


@pytest.mark.parametrize(
    "link",
    [
        '<a href="javascript:alert(1)">',
        '<a href="file:///etc/passwd">',
        '<a href="data:text/html,x">',
        '<a href="ftp://files.example/d-1.tar.gz">',
        '<a href="https:///d-1.tar.gz">',
        '<a href="d-1.tar.gz&#10;x">',
        '<a href="a%2Fb-1.tar.gz">',
        '<a href="%2e%2e">',
        '<a href="d-1%00.tar.gz">',
        '<a href="d-1.tar.gz#sha256=00">',
        f'<a href="d-1.tar.gz#sha256={"g" * 64}">',
        '<a href="d-1.tar.gz" data-upload-time="yesterday">',
        '<a href="d-1.tar.gz" data-upload-time="2026-13-02T03:04:05Z">',
        '<a href="d-1.tar.gz',
        '<a href=">',
        "<!-- no end <a href=d-1.tar.gz>",
        '<a href="http://[::1/d-1.tar.gz">',
    ],
)
def test_hostile_links_are_refused(link: str) -> None:
    with pytest.raises(ValueError):
        parse_project_page(html(link), "text/html", PAGE)


def test_a_local_index_may_name_local_files() -> None:
    (file,) = parse_project_page(html('<a href="d-1.tar.gz">'), "text/html", "file:///srv/simple/d/")
    assert file.url == "file:///srv/simple/d/d-1.tar.gz"


@pytest.mark.parametrize(
    "file",
    [
        {"filename": "../d-1.tar.gz", "url": "d-1.tar.gz"},
        {"filename": "", "url": "d-1.tar.gz"},
        {"filename": "d-1.tar.gz", "url": "file:///etc/passwd"},
        {"filename": "d-1.tar.gz", "url": "d-1.tar.gz", "size": -1},
        {"filename": "d-1.tar.gz", "url": "d-1.tar.gz", "size": "12"},
        {"filename": "d-1.tar.gz", "url": "d-1.tar.gz", "hashes": {"sha256": "short"}},
        {"filename": "d-1.tar.gz", "url": "d-1.tar.gz", "upload-time": "never"},
        {"filename": "d-1.tar.gz"},
        {"url": "d-1.tar.gz"},
        "d-1.tar.gz",
    ],
)
def test_malformed_json_files_are_refused(file: object) -> None:
    with pytest.raises(ValueError):
        parse_project_page(page([file]), JSON_TYPE, PAGE)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text/plain"),
        (b"garbage", "text/html"),
        (b"\xff<html>", "text/html"),
        (b"{}", JSON_TYPE),
        (b"[" * 100_000, JSON_TYPE),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON_TYPE),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
def test_garbage_is_a_value_error(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match="the page"):
        parse_project_page(body, kind, PAGE)


@given(st.text(st.sampled_from("<a href='\">=x/#!- \n"), max_size=60))
def test_any_text_is_a_page_or_a_value_error(text: str) -> None:
    try:
        files = parse_project_page(f"<html>{text}".encode(), "text/html", PAGE)
    except ValueError:
        return
    assert all(file.url.startswith(("https://", "http://")) for file in files)


@pytest.mark.parametrize("piece", [b'<a href="', b"<a ", b"<a x=y ", b"<!--", b"<a href=x '"])
def test_a_hostile_page_is_read_in_linear_time(piece: bytes) -> None:
    started = time.monotonic()
    try:
        files = parse_project_page(b"<html>" + piece * (2**20 // len(piece)), "text/html", PAGE)
        assert len(files) <= 2**20
    except ValueError:
        pass
    assert time.monotonic() - started < 10


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda m: m.replace(tzinfo=timezone.utc))
simple_files = st.builds(
    SimpleFile,
    filename=st.from_regex(r"[a-z][a-z0-9+._-]{0,20}\.whl", fullmatch=True),
    url=st.from_regex(r"https://files\.example/[a-z0-9/%?=._-]{0,20}x", fullmatch=True),
    sha256=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    size=st.none() | st.integers(0, 2**50),
    upload_time=st.none() | moments,
    yanked=st.booleans() | st.text(min_size=1),
    requires_python=st.none() | st.just(">=3.10"),
    core_metadata=st.booleans(),
)


@given(st.lists(simple_files, max_size=4))
def test_a_page_written_as_json_is_read_back(files: list[SimpleFile]) -> None:
    assert parse_project_page(to_json("demo", files), JSON_TYPE, PAGE) == tuple(files)


def test_upload_times_of_another_zone_are_told_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    written = to_json("d", [SimpleFile(filename="f", url=PAGE + "f", upload_time=datetime(2026, 1, 1, tzinfo=east))])
    assert b'"upload-time":"2025-12-31T22:00:00.000000Z"' in written
