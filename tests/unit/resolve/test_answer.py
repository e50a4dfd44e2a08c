"""uv's answers as resolutions."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.questions import pins, question

from envctl.errors import IndexFailed, ToolFailed
from envctl.model.resolution import Candidate
from envctl.resolve.answer import parse

HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = ">=3.11.9"\n'
SHA = "ab" * 32
WHEEL = '{ url = "https://files.example/a/lib-1.0%2Bcpu-py3-none-any.whl", hashes = { sha256 = "' + SHA + '" } }'


def package(name: str = "lib", wheels: str = WHEEL, version: str = "1.0+cpu", more: str = "") -> str:
    return f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{more}wheels = [{wheels}]\n'


def test_a_wheel_keeps_all_that_is_said_of_it_and_its_file_name_is_decoded() -> None:
    wheel = WHEEL.replace(", hashes", ", size = 12, upload-time = 2026-01-02T05:04:05+02:00, hashes").replace(
        SHA, SHA.upper()
    )
    (pin,) = parse(HEAD + package(wheels=wheel), question()).pins
    assert pin.wheels == (
        Candidate(
            filename="lib-1.0+cpu-py3-none-any.whl",
            url="https://files.example/a/lib-1.0%2Bcpu-py3-none-any.whl",
            sha256=SHA,
            size=12,
            upload_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        ),
    )


def test_pins_are_normalised_and_sorted_and_wheels_are_sorted_by_file_name() -> None:
    second = WHEEL.replace("py3-none-any", "cp311-cp311-linux_x86_64")
    text = HEAD + package("Z_z") + package("a.A", f"{WHEEL}, {second}")
    resolution = parse(text, question())
    assert [pin.name for pin in resolution.pins] == ["a-a", "z-z"]
    assert [wheel.filename[-12:] for wheel in resolution.pins[0].wheels] == ["x_x86_64.whl"[-12:], "none-any.whl"]


def test_markers_decide_whether_a_package_belongs_to_the_platform() -> None:
    text = (
        HEAD
        + package("yes", more="marker = \"python_full_version == '3.11.9'\"\n")
        + package("no", more="marker = \"sys_platform == 'win32'\"\n")
    )
    assert pins(parse(text, question())).keys() == {"yes"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "= nonsense",
        "\0",
        'lock-version = "1.0"',
        'lock-version = "2.0"\npackages = []',
        HEAD + "packages = 3",
        HEAD + package(wheels=""),
        HEAD + package() + package("LIB"),
        HEAD + '[[packages]]\nname = "lib"\nwheels = []',
        HEAD + '[[packages]]\nname = "lib"\nversion = "1"\nvcs = { type = "git" }',
        HEAD + '[[packages]]\nname = "lib"\nversion = "1"\ndirectory = { path = "." }',
        HEAD + '[[packages]]\nname = "lib"\nversion = "1"\narchive = { path = "/x/lib-1-py3-none-any.whl" }',
        HEAD + '[[packages]]\nname = "lib"\nversion = "1"\narchive = { url = "https://x.example/lib-1.tar.gz" }',
        HEAD + package(wheels=WHEEL.replace(".whl", ".zip")),
        HEAD + package(wheels=WHEEL.replace(SHA, "ab")),
        HEAD + package(more='marker = "gibberish"\n'),
    ],
)
def test_what_nobody_understands_is_no_answer(text: str) -> None:
    with pytest.raises(ToolFailed):
        parse(text, question())


@pytest.mark.parametrize("address", ["file://", "ftp://user:s3cret@", "http://[", "data:"])
def test_an_address_that_is_none_of_the_web_is_the_index_s_fault(address: str) -> None:
    with pytest.raises(IndexFailed, match="cannot stand in a lockfile") as caught:
        parse(HEAD + package(wheels=WHEEL.replace("https://", address)), question())
    assert "s3cret" not in str(caught.value)


def test_credentials_that_an_index_writes_into_an_address_are_left_out() -> None:
    (pin,) = parse(HEAD + package(wheels=WHEEL.replace("https://", "https://user:s3cret@")), question()).pins
    assert pin.wheels[0].url == parse(HEAD + package(), question()).pins[0].wheels[0].url


def test_what_is_excluded_may_not_be_pinned() -> None:
    with pytest.raises(ToolFailed, match="excluded"):
        parse(HEAD + package(), question(exclude=["LIB"]))


def test_an_address_of_a_wheel_is_its_only_candidate() -> None:
    archive = f'archive = {{ url = "https://x.example/lib-1-py3-none-any.whl#egg=x", hashes = {{ sha256 = "{SHA}" }} }}'
    (pin,) = parse(f'{HEAD}[[packages]]\nname = "lib"\nversion = "1"\n{archive}\n', question()).pins
    (wheel,) = pin.wheels
    assert (wheel.url, wheel.sha256) == ("https://x.example/lib-1-py3-none-any.whl", SHA)


@given(st.text())
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        resolution = parse(text, question())
    except ToolFailed:
        return
    assert resolution.pins == ()
