"""Failed resolutions as people read them: whole messages of the real uv."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.questions import machine, question, required
from support.server import IndexServer
from support.wheels import build_wheel

from envctl.errors import EnvctlError, IndexFailed, InvalidFile, NoResolution, ToolFailed
from envctl.model.profile import Index
from envctl.resolve.uv import UvResolver

HEAD = "train:cpu for linux/amd64: there is no solution with Python 3.11.9"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return machine(tmp_path)


@pytest.fixture
def uv(index: IndexServer, environ: Mapping[str, str]) -> UvResolver:
    return UvResolver(default_index=index.url, environ=environ)


def told(uv: UvResolver, *requirements: str, kind: type[EnvctlError] = NoResolution, **changes: object) -> str:
    with pytest.raises(kind) as caught:
        uv.resolve(question(*requirements, **changes))
    assert type(caught.value) is kind
    return str(caught.value)


def test_two_packages_that_exclude_each_other(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        index.add(build_wheel(tmp_path, "lib", version))
    index.add(build_wheel(tmp_path, "needs-old", requires=["lib<2"]))
    index.add(build_wheel(tmp_path, "needs-new", requires=["lib>=2"]))
    message = " ".join(told(uv, "needs-old", "needs-new>=1").split())
    assert message.startswith(HEAD)
    assert "all versions of needs-new depend on lib>=2 and all versions of needs-old depend on lib<2" in message
    assert "are incompatible and the profile asks for needs-old (profiles/base.toml:10)" in message
    assert message.endswith("(profiles/base.toml:11)")


def test_requirements_and_constraints_that_contradict_each_other(
    uv: UvResolver, index: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "lib", "1.0"))
    message = told(uv, "lib[extra]>=2,<5; python_version > '3'", constraints=required("constraints", "lib<2", line=30))
    assert message == (
        f"{HEAD}\n  the profile asks for lib[extra]>=2,<5 (profiles/base.toml:10) and lib<2\n"
        "    (profiles/base.toml:30)"
    )


def test_a_cutoff_that_hides_a_version(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib", "1.0"), upload_time="2026-01-01T00:00:00Z")
    index.add(build_wheel(tmp_path, "lib", "2.0"), upload_time="2026-02-01T00:00:00Z")
    cutoff = datetime(2026, 1, 15, tzinfo=timezone.utc)
    for requirement in ("lib>=2", "lib==2.0"):
        assert told(uv, requirement, cutoff=cutoff).splitlines()[-1] == (
            "hint: the cutoff 2026-01-15T00:00:00Z hides lib 2.0, which was uploaded 2026-02-01T00:00:00Z; "
            "a later one shows it"
        )


def test_a_cutoff_over_an_index_without_upload_times(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib", "1.0"), upload_time=None)
    cutoff = datetime(2026, 1, 15, tzinfo=timezone.utc)
    assert "hint: the index does not say when lib was uploaded, so the cutoff hides it" in told(
        uv, "lib", cutoff=cutoff
    )


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("cp311-cp311-win_amd64", "has wheels for win_amd64 only; \"lib; sys_platform != 'linux'\" leaves it out"),
        ("cp311-cp311-manylinux_2_28_aarch64", "\"lib; platform_machine != 'x86_64'\" leaves it out on linux/amd64"),
        ("cp311-cp311-manylinux_2_39_x86_64", 'libc = "glibc 2.39" admits them'),
        ("cp313-cp313-manylinux_2_28_x86_64", "lib 1.0 has wheels for cp313 only, not for Python 3.11.9"),
        ("cp311-cp311t-manylinux_2_28_x86_64", "lib 1.0 has wheels for cp311t only, not for Python 3.11.9"),
    ],
)
def test_wheels_for_other_machines_only(
    tag: str, hint: str, uv: UvResolver, index: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "lib", tag=tag))
    assert hint in told(uv, "lib")


def test_a_source_distribution_only(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    (tmp_path / "lib-2.0.tar.gz").write_bytes(b"source")
    index.add(tmp_path / "lib-2.0.tar.gz")
    message = told(uv, "lib")
    assert "hint: lib has a source distribution but no wheel, and only wheels are locked" in message
    assert "--no-build" not in message


def test_a_package_for_a_newer_python(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib", requires_python=">=3.12"), requires_python=">=3.12")
    message = told(uv, "lib")
    assert "Python 3.11.9 does not satisfy >=3.12" in message
    assert "hint: lib==1.0 is for Python >=3.12 only; the profile's is 3.11.9" in message


def test_a_name_that_the_index_does_not_know(uv: UvResolver) -> None:
    assert told(uv, "sklearn>=1") == (
        f"{HEAD}\n  sklearn is not in the index\n  and the profile asks for sklearn>=1 (profiles/base.toml:10)\n"
        "hint: is sklearn the name that the index knows it by? That of sklearn is scikit-learn"
    )


def test_an_override_that_nothing_satisfies(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib", "1.0"))
    index.add(build_wheel(tmp_path, "app", requires=["lib"]))
    message = told(uv, "app", overrides=["Lib==9"])
    assert 'hint: "Lib==9" in [resolver] overrides replaces what packages ask for' in message


def test_a_page_that_lists_no_file(uv: UvResolver, index: IndexServer) -> None:
    index.page("/simple/lib/", b"<!DOCTYPE html><html><body><h1>Links for lib</h1></body></html>")
    assert "hint: the index has a page of lib that names no file; is it a package index?" in told(uv, "lib")


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><body>please log in</body></html>",
        b"<html><form action='/login'><input name='user'></form></html>",
        b"<html><head><script src='/app.js'></script></head><body></body></html>",
        b"<html><body>Blocked. <a href='/why'>Why?</a></body></html>",
    ],
)
def test_a_page_for_people_in_place_of_a_package_fails_the_index(
    uv: UvResolver, index: IndexServer, page: bytes
) -> None:
    index.page("/simple/lib/", page)
    with pytest.raises(IndexFailed, match="no project page") as caught:
        uv.resolve(question("lib"))
    assert caught.value.file == f"{index.url}/lib/"


def test_a_long_explanation_is_wrapped_and_keeps_its_conclusion(
    uv: UvResolver, index: IndexServer, tmp_path: Path
) -> None:
    for number in range(12):
        python = ">=3.13" if number % 2 else None
        index.add(build_wheel(tmp_path, "many", f"{number}.0", requires_python=python), requires_python=python)
    for number in range(5):
        needs = [f"many>={number * 3 + 1}, !=2.0", "other<2" if number % 2 else "other>3"]
        index.add(build_wheel(tmp_path, "top", f"{number}.0", requires=needs))
        index.add(build_wheel(tmp_path, "other", f"{number}.0", requires=["many<3" if number % 2 else "many<2.5"]))
    message = told(uv, "top", "other>3")
    lines = message.splitlines()[1:-1]
    assert all(len(line) <= 84 for line in lines)
    assert "only the following versions of many are available: many<=2.0, many>2.5" in " ".join(message.split())
    assert "the profile asks for top (profiles/base.toml:10) and other>3 (profiles/base.toml:11)" in " ".join(
        " ".join(lines).split()
    )
    assert not any(mark in message for mark in "×╰─▶│`")


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"status": 500}, "it answered 500 Internal Server Error"),
        ({"status": 502}, "it answered 502 Bad Gateway"),
        ({"body": b"\x00garbage"}, "it answered what is no page of a package index"),
        ({"cut": 10}, "the connection was cut"),
        ({"drop": True}, "the connection was cut"),
        ({"delay": 4}, "it did not answer in time"),
    ],
)
def test_a_default_index_that_fails_is_named_with_the_reason(
    fault: dict[str, object], found: str, index: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "lib"))
    index.fault("/simple/", **fault)
    with pytest.raises(IndexFailed) as caught:
        UvResolver(
            default_index=index.url.replace("://", "://user:s3cret@"), environ=machine(tmp_path, UV_HTTP_TIMEOUT="1")
        ).resolve(question("lib"))
    assert caught.value.file == f"{index.url}/lib/"
    assert caught.value.found == found
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"body": b"no archive"}, {"cut": 5}])
def test_a_wheel_that_cannot_be_read_fails_the_index(
    fault: dict[str, object], uv: UvResolver, index: IndexServer, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "lib"))
    index.fault("/files/", **fault)
    assert "lib-1.0-py3-none-any.whl" in told(uv, "lib", kind=IndexFailed)


def test_a_wheel_with_anothers_metadata_fails_the_index(uv: UvResolver, index: IndexServer, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "lib", metadata=b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"))
    assert "other" in told(uv, "lib", kind=IndexFailed)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/simple", "http://index.example/simple"])
def test_an_index_that_is_not_there(address: str, environ: Mapping[str, str]) -> None:
    message = told(UvResolver(default_index=address, environ=environ), "lib", kind=IndexFailed)
    assert message.startswith(f"{address}/lib/: the index could not be read")


def test_an_index_of_the_profile_that_refuses_names_the_variables_for_its_credentials(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    with IndexServer("user", "s3cret") as private:
        indexes = (Index(name="team-index", url=private.url),)
        message = told(UvResolver(environ=environ), "lib", kind=IndexFailed, indexes=indexes)
    assert "401" in message
    assert "UV_INDEX_TEAM_INDEX_USERNAME" in message


def test_a_c_library_older_than_any_that_uv_knows(uv: UvResolver) -> None:
    message = told(uv, "lib", kind=InvalidFile, libc="glibc 2.12")
    assert "uv cannot resolve for glibc 2.12" in message
    assert "expected: glibc 2.17 or newer" in message
    assert "musl 1.2 or newer" in told(uv, "lib", kind=InvalidFile, libc="musl 1.1")


def test_what_uv_refuses_for_reasons_of_its_own_is_told_in_its_words(uv: UvResolver) -> None:
    message = told(uv, "lib", kind=ToolFailed, python="three")
    assert message.startswith("uv could not resolve train:cpu for linux/amd64")
    assert "three" in message
