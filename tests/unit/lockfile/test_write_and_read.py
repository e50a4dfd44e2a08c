"""Writing and reading a lockfile are each other's inverse, and the file is PEP 751."""

from __future__ import annotations

import msgspec
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock
from support.resolved import AMD64, ARM64, inputs, locked, resolved

from envctl.errors import InvalidFile
from envctl.lockfile.read import parse_lockfile, read_lockfile
from envctl.lockfile.write import _string, write_lockfile
from envctl.model.lockfile import Lockfile
from envctl.model.profile import ImageTable, Profile


def two_platforms() -> Lockfile:
    asked = inputs(Profile(python="3.11.9", dependencies=("alpha",), platforms=("linux/amd64", "linux/arm64")))
    amd = [resolved("alpha", requires=["beta>=1"]), resolved("beta", "2.0", tag="cp311-cp311-manylinux_2_28_x86_64")]
    arm = [resolved("alpha", requires=["beta>=1"]), resolved("beta", "2.0", tag="cp311-cp311-manylinux_2_28_aarch64")]
    return locked(asked, {AMD64: amd, ARM64: arm})


def test_what_is_written_is_read_back(tmp_path):
    lockfile = two_platforms()
    path = tmp_path / "pylock.train.toml"
    path.write_bytes(write_lockfile(lockfile))
    assert read_lockfile(path) == lockfile
    assert write_lockfile(read_lockfile(path)) == path.read_bytes()


def test_the_file_is_a_valid_pylock():
    document = tomli.loads(write_lockfile(two_platforms()).decode())
    pylock = Pylock.from_dict(document)
    assert [str(package.name) for package in pylock.packages] == ["alpha", "beta"]
    assert len(pylock.environments) == 2
    assert str(pylock.requires_python) == "==3.11.*"


def test_the_standard_selects_the_one_wheel_of_a_platform():
    from packaging.tags import Tag

    document = tomli.loads(write_lockfile(two_platforms()).decode())
    pylock = Pylock.from_dict(document)
    tags = [Tag("cp311", "cp311", "manylinux_2_28_aarch64"), Tag("py3", "none", "any")]
    names = {str(p.name): w.name for p, w in pylock.select(environment=ARM64.environment("3.11.9"), tags=tags)}
    assert names["beta"] == "beta-2.0-cp311-cp311-manylinux_2_28_aarch64.whl"


def test_the_order_of_resolution_does_not_matter():
    asked = inputs(Profile(python="3.11.9", dependencies=("alpha", "beta")))
    packages = [resolved("alpha"), resolved("beta"), resolved("gamma")]
    forwards = write_lockfile(locked(asked, {AMD64: packages}))
    backwards = write_lockfile(locked(asked, {AMD64: packages[::-1]}))
    assert forwards == backwards


@given(st.text(max_size=40).filter(lambda text: not any(0xD800 <= ord(c) <= 0xDFFF for c in text)))
def test_any_string_survives_the_file(text):
    assert tomli.loads(f"x = {_string(text)}") == {"x": text}


@pytest.mark.parametrize(
    "value",
    ['"; rm -rf /', 'x"\n[tool.envctl]\nschema = 9', "\\", "'''", "\u202e", "a\\nb", "\x7f"],
)
def test_values_stay_values(value):
    image = ImageTable(base="python:3.11.9@sha256:" + "b" * 64, env={"X": value})
    asked = inputs(Profile(python="3.11.9", dependencies=("alpha",), image=image))
    lockfile = locked(asked, {AMD64: [resolved("alpha")]})
    again = parse_lockfile(write_lockfile(lockfile), shown="x")
    assert again.envctl.image is not None
    assert again.envctl.image.env == {"X": value}
    assert again == lockfile


CONFLICTED = b"""lock-version = "1.0"
<<<<<<< HEAD
created-by = "envctl"
=======
created-by = "envctl2"
>>>>>>> theirs
"""


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (CONFLICTED, "git's conflict markers", 2),
        (b"a = 1\nb = = 2\n", "not TOML", 2),
        (b"x = 1\n\xff", "not UTF-8", 2),
        (b'lock-version = "1.0"\n', "not a lockfile of envctl", None),
        (b"[tool.envctl]\nschema = 99\n", "newer envctl", None),
        (b"[tool.envctl]\nschema = 'one'\n", "malformed", None),
        (b"x = " + b"[" * 5000, "not TOML", None),
        (b"a = 1\na = 2\n", "not TOML", None),
        (b"", "not a lockfile", None),
        (b"tool = 3\n", "not a lockfile", None),
        (b"x = 1979-13-40\n", "not TOML", None),
        (b"x = " + b"9" * 5000, "not", None),
    ],
)
def test_what_is_no_lockfile_is_said_to_be_none(data, message, line):
    with pytest.raises(InvalidFile) as caught:
        parse_lockfile(data, shown="pylock.x.toml")
    assert message in str(caught.value)
    assert caught.value.exit_code == 3
    if line is not None:
        assert caught.value.line == line


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (('version = "2.0"', 'version = "2.1"'), "another distribution's"),
        (("sha256:", "sha257:"), "not sha256:<64 hex digits>"),
        (('requires-python = "==3.11.*"', 'requires-python = ">=3.8"'), "requires-python"),
        (("aarch64' and", "riscv64' and"), "environments"),
        (("https://index.example", "https://me:secret@index.example"), "credentials"),
        (("https://index.example", "file:///etc"), "not plain http"),
        (('name = "beta"', 'name = "Beta"'), "normalised"),
        (('lock-version = "1.0"', 'lock-version = "2.0"'), "lock-version"),
        (('version = "3.11.9"', 'version = "3.11"'), "X.Y.Z"),
        (('"linux/arm64" = "sha256', '"linux/ppc" = "sha256'), "package-set"),
    ],
)
def test_a_lockfile_that_contradicts_itself_is_refused(tmp_path, edit, message):
    text = write_lockfile(two_platforms()).decode()
    assert edit[0] in text
    path = tmp_path / "pylock.train.toml"
    path.write_text(text.replace(*edit), "utf-8")
    with pytest.raises(InvalidFile, match=r"contradicts itself|malformed") as caught:
        read_lockfile(path)
    assert message in str(caught.value)


def test_an_edited_content_digest_breaks_the_environment_digest(tmp_path):
    lockfile = two_platforms()
    digest = next(iter(lockfile.packages[0].content.values()))
    path = tmp_path / "pylock.train.toml"
    path.write_text(write_lockfile(lockfile).decode().replace(digest, "sha256:" + "0" * 64), "utf-8")
    with pytest.raises(InvalidFile) as caught:
        read_lockfile(path)
    assert "environment digest" in str(caught.value)


def test_a_missing_lockfile_is_not_an_invalid_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_lockfile(tmp_path / "pylock.none.toml")


def test_unknown_keys_of_a_later_release_are_no_error():
    data = write_lockfile(two_platforms()).replace(b"[tool.envctl]\n", b"[tool.envctl]\nlater = 1\n")
    assert parse_lockfile(data, shown="x") == two_platforms()
    assert msgspec.to_builtins(two_platforms())["tool"]["envctl"]["schema"] == 1
