"""The armour of an SSH signature: exactly one, and what it is for."""

from __future__ import annotations

import base64
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.keys import key, signed

from envctl.trust.sshsig import namespace_of


@pytest.fixture(scope="module")
def armoured(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return signed(key(tmp_path_factory.mktemp("key")), b"text", "a purpose of mine")


def test_the_namespace_is_read(armoured: bytes) -> None:
    assert namespace_of(armoured) == "a purpose of mine"
    assert namespace_of(armoured.replace(b"\n", b"\r\n") + b"\n \n") == "a purpose of mine"
    assert namespace_of(armoured.rstrip(b"\n")) == "a purpose of mine"


def _blob(*parts: bytes, magic: bytes = b"SSHSIG", version: int = 1) -> bytes:
    body = magic + struct.pack(">I", version) + b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(body) + b"\n-----END SSH SIGNATURE-----\n"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"hello", "not in the form"),
        (b"\x00" * 100, "not in the form"),
        (b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n", "not in the form"),
        (b"-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n", "another format"),
        (b"-----BEGIN SSH SIGNATURE-----\nU1N\n-----END SSH SIGNATURE-----\n", "damaged"),
        (b"-----BEGIN PGP SIGNATURE-----\nU1NI\n-----END PGP SIGNATURE-----\n", "not in the form"),
        (_blob(b"key", b"ns", version=2), "version 2"),
        (_blob(b"key"), "damaged"),
        (_blob(magic=b"SSHSIG"), "damaged"),
    ],
)
def test_what_is_none_is_said(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        namespace_of(data)


def test_several_in_one_file_are_refused(armoured: bytes) -> None:
    with pytest.raises(ValueError, match="several"):
        namespace_of(armoured + armoured)
    with pytest.raises(ValueError, match="not in the form"):
        namespace_of(armoured + b"and more")
    with pytest.raises(ValueError, match="not in the form"):
        namespace_of(b"before\n" + armoured)


@given(st.binary(max_size=200))
def test_nothing_but_a_sentence_comes_of_garbage(data: bytes) -> None:
    for text in (data, _blob(data), _blob(data, data)):
        with contextlib.suppress(ValueError):
            assert isinstance(namespace_of(text), str)
