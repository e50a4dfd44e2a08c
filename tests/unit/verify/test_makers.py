"""Templates of activation scripts: the whole text, with this environment's own values."""

from __future__ import annotations

import pytest
from support.templates import template

from envctl.verify.makers import Template, from_venv, known

TEXT = b'VIRTUAL_ENV="__VENV_DIR__"\nPATH="$VIRTUAL_ENV/__VENV_BIN_NAME__:$PATH"\nPS1="__VENV_PROMPT__${PS1:-}"\n'
VALUES = {"dir": (b"/opt/venv", b"/opt/v"), "bin": (b"bin",), "prompt": (b"", b"(v) ")}


def filled(**values: str) -> bytes:
    text = TEXT.decode()
    for name, value in {"DIR": "/opt/venv", "BIN_NAME": "bin", "PROMPT": "(v) ", **values}.items():
        text = text.replace(f"__VENV_{name}__", value)
    return text.encode()


def test_a_text_with_its_own_values_is_the_templates() -> None:
    made = from_venv(TEXT)
    assert made.holes == ("dir", "bin", "prompt")
    assert made.matches(filled(), VALUES)
    assert made.matches(filled(PROMPT=""), VALUES)
    assert made.matches(filled(DIR="/opt/v"), VALUES)


@pytest.mark.parametrize(
    "text",
    [
        filled(DIR="/opt/other"),
        filled(PROMPT="$(evil)"),
        filled() + b"evil\n",
        b"evil\n" + filled(),
        filled()[:-1],
        filled().replace(b"PATH=", b"path="),
        TEXT,
        b"",
    ],
)
def test_any_other_text_is_not(text: bytes) -> None:
    assert not from_venv(TEXT).matches(text, VALUES)


def test_one_value_fills_all_holes_of_its_name() -> None:
    made = Template.of([b"a=", b" b=", b""], ["dir", "dir"])
    assert made.matches(b"a=/opt/venv b=/opt/venv", VALUES)
    assert not made.matches(b"a=/opt/venv b=/opt/v", VALUES)


def test_a_template_without_holes_is_one_text() -> None:
    made = Template.of([b"*\n"], [])
    assert made.matches(b"*\n", {})
    assert not made.matches(b"*\n\n", {})
    assert not made.matches(b"", {})


def test_shipped_templates_cover_the_scripts_of_every_shell() -> None:
    shipped = known()
    shells = ("activate", "activate.csh", "activate.fish", "activate.nu", "activate.ps1", "activate_this.py")
    assert {f"bin/{name}" for name in shells} <= shipped.keys()
    for templates in shipped.values():
        for each in templates:
            assert len(each.lengths) == len(each.holes) + 1
            assert len(each.sha256) == 64


def test_a_learned_template_is_the_one_that_is_matched() -> None:
    lengths, holes, digest = template(b'A="/x/NAME"\nB="PROMPT"\n', {"/x/NAME": "dir", "PROMPT": "prompt"})
    made = Template(lengths, holes, digest)
    assert made.matches(b'A="/opt/venv"\nB=""\n', VALUES)
    assert not made.matches(b'A="/opt/venv"\nB="evil"\n', VALUES)
