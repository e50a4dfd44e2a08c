"""A seal tells every change of the lines above it, and holds for what was sealed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envctl.lockfile.seal import intact, sealed

TEXT = b"a = 1\n[tool.envctl]\nschema = 1\n"


def test_what_was_sealed_is_intact() -> None:
    assert intact(sealed(TEXT))
    assert sealed(TEXT).startswith(TEXT)
    assert sealed(TEXT).splitlines()[-1].startswith(b'seal = "sha256:')


@given(st.integers(0, len(sealed(TEXT)) - 1), st.integers(0, 255))
def test_another_byte_anywhere_breaks_it(at: int, byte: int) -> None:
    data = sealed(TEXT)
    changed = data[:at] + bytes([byte]) + data[at + 1 :]
    assert intact(changed) == (changed == data)


@given(st.binary())
def test_nothing_else_is_intact(data: bytes) -> None:
    assert not intact(data)
    assert not intact(sealed(TEXT) + data) or data == b""
    assert not intact(TEXT + data)
