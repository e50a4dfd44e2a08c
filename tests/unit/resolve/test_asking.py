"""A question as uv gets it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from support.questions import question, required

from envctl.errors import InvalidFile
from envctl.model.platform import Libc, Platform
from envctl.model.profile import Index
from envctl.resolve.asking import (
    OUTPUT,
    Source,
    arguments,
    check,
    end_of,
    environment,
    files,
    own_cutoff,
    python_platform,
)


@pytest.mark.parametrize(
    ("platform", "libc", "expected"),
    [
        ("linux/amd64", "glibc 2.17", "x86_64-manylinux_2_17"),
        ("linux/amd64", "glibc 2.27", "x86_64-manylinux_2_17"),
        ("linux/amd64", "glibc 2.28", "x86_64-manylinux_2_28"),
        ("linux/amd64", "glibc 2.30", "x86_64-manylinux_2_28"),
        ("linux/arm64", "glibc 2.36", "aarch64-manylinux_2_36"),
        ("linux/amd64", "glibc 2.99", "x86_64-manylinux_2_40"),
        ("linux/amd64", "glibc 3.0", "x86_64-manylinux_2_40"),
        ("linux/amd64", "musl 1.2", "x86_64-unknown-linux-musl"),
        ("linux/arm64", "musl 1.3", "aarch64-unknown-linux-musl"),
        ("darwin/arm64", "glibc 2.28", "aarch64-apple-darwin"),
        ("darwin/amd64", "glibc 2.5", "x86_64-apple-darwin"),
    ],
)
def test_a_platform_is_the_newest_that_uv_offers_and_that_is_not_newer_than_asked(
    platform: str, libc: str, expected: str
) -> None:
    assert python_platform(Platform.parse(platform), Libc.parse(libc), "t") == expected


def test_every_platform_that_is_asked_for_is_one_that_uv_knows() -> None:
    import subprocess

    from envctl.system.uv import binary

    known = subprocess.run([binary(), "pip", "compile", "--help"], capture_output=True, text=True, check=True).stdout
    words = set(known.replace(",", " ").replace("]", " ").split())
    for platform in ("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"):
        for libc in ("musl 1.2", *(f"glibc 2.{minor}" for minor in range(17, 45))):
            assert python_platform(Platform.parse(platform), Libc.parse(libc), "t") in words


def test_a_cutoff_is_the_end_of_its_second_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    midnight = datetime(2026, 11, 1, tzinfo=timezone.utc)
    assert end_of(midnight) == midnight + timedelta(seconds=1)
    assert end_of(datetime(2026, 11, 1, 1, 59, 59, 999999, tzinfo=zone)) == midnight


def test_an_indexs_own_cutoff_is_a_moment_or_a_date_in_utc() -> None:
    def own(text: bool | str) -> bool | datetime:
        return own_cutoff(Index(name="mine", url="https://index.example/simple", exclude_newer=text))

    november = datetime(2026, 11, 1, tzinfo=timezone.utc)
    assert own(True) is True
    assert own(False) is False
    assert own("2026-11-01") == own("2026-11-01T00:00:00Z") == own("2026-11-01T02:00:00+02:00") == november
    for text in ("7 days", "2026-11-01T00:00:00", "2026-13-01", ""):
        with pytest.raises(InvalidFile, match="'mine'"):
            own(text)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_leaves_its_place_in_the_files(texts: list[str], other: str) -> None:
    asked = question(
        *texts, constraints=required("constraints", other), overrides=texts, exclude=[other], preferences={other: other}
    )
    written = files(asked, [Source(key=other, url=other)])
    project, settings = tomli.loads(written["pyproject.toml"]), tomli.loads(written["uv.toml"])
    assert project["project"]["dependencies"] == texts
    assert set(project) == {"project"}
    assert settings == {
        "constraint-dependencies": [other],
        "override-dependencies": texts,
        "exclude-dependencies": [other],
        "index": [{"name": other, "url": other}],
    }
    assert tomli.loads(written[OUTPUT])["packages"] == [{"name": other, "version": other}]


def test_without_preferences_uv_finds_no_file_to_keep_pins_of() -> None:
    assert OUTPUT not in files(question("lib"), [])


def test_the_command_asks_for_wheels_of_one_platform_and_one_exact_python() -> None:
    command = arguments(
        question("lib", cutoff=datetime(2026, 1, 1, tzinfo=timezone.utc), offline=True), uv="uv", python="/py"
    )
    words = " ".join(command)
    for part in (
        "--only-binary :all:",
        "--python-version 3.11.9",
        "--python-platform x86_64-manylinux_2_28",
        "--no-python-downloads",
        "--exclude-newer 2026-01-01T00:00:01Z",
        "--offline",
        "--config-file uv.toml",
    ):
        assert part in words
    assert "lib" not in command


def test_of_the_environment_only_the_way_to_the_network_and_the_sources_secrets_are_passed() -> None:
    caller = {
        "HOME": "/home/me",
        "HTTPS_PROXY": "http://proxy.example",
        "SSL_CERT_FILE": "/ca.pem",
        "NETRC": "/netrc",
        "UV_CACHE_DIR": "/cache",
        "UV_HTTP_TIMEOUT": "5",
        "PIP_INDEX_URL": "https://index.example",
        "UV_INDEX_URL": "https://index.example",
        "UV_INDEX_OTHER_PASSWORD": "other",
        "PYTHONPATH": "/x",
        "LD_PRELOAD": "/x.so",
    }
    sources = [Source(key="bound-0", url="http://127.0.0.1:1/x", credentials=("me", "s3cret"))]
    found = environment(caller, Path("/scratch"), sources)
    assert found == {
        **{name: caller[name] for name in list(caller)[:6]},
        "XDG_CONFIG_HOME": "/scratch/none",
        "XDG_CONFIG_DIRS": "/scratch/none",
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
        "UV_INDEX_BOUND_0_USERNAME": "me",
        "UV_INDEX_BOUND_0_PASSWORD": "s3cret",
    }


def test_a_local_source_is_reached_without_a_proxy_beside_what_the_caller_excepts() -> None:
    local = [Source(key=f"bound-{number}", url="http://127.0.0.1:1/x", local=True) for number in range(2)]
    found = environment({"NO_PROXY": "a.example", "no_proxy": "b.example"}, Path("/scratch"), local)
    assert found["NO_PROXY"] == found["no_proxy"] == "a.example,b.example,127.0.0.1"
    assert "NO_PROXY" not in environment({}, Path("/scratch"), [Source(key="x", url="https://index.example")])


def test_requirements_by_address_are_wheels_on_the_web_without_credentials() -> None:
    good = "lib @ https://index.example/lib-1.0-py3-none-any.whl#sha256=00 ; python_version >= '3'"
    check(question("lib", good, 'lib>=1; extra == "a @ b"'))
    with pytest.raises(InvalidFile) as caught:
        check(question("lib", constraints=required("constraints", "lib @ file:///x.whl", line=4)))
    assert (caught.value.place(), caught.value.key) == ("profiles/base.toml:4", "constraints[0]")
