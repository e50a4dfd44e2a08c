"""`envctl explain`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from envctl.cli import complete
from envctl.cli.context import print_json

if TYPE_CHECKING:
    from envctl.model.codes import Code

_WIDTH = 96


@click.command(
    epilog="""\b
Examples:
  envctl explain ENV401    one code, or a name such as startup-hook-added
  envctl explain           all of them, a line for each"""
)
@click.argument("code", required=False, shell_complete=complete.codes)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
def command(code: str | None, form: str) -> None:
    """Say what a finding of `envctl verify` means and what to do about it.

    CODE is a finding's code or name; without it all are listed.
    """
    from envctl.commands.explain import explain

    found = explain(code)
    if form == "json":
        print_json(found)
    elif code is None:
        width = max(len(each.name) for each in found.codes)
        for each in found.codes:
            click.echo(f"{each.code}  {each.name:<{width}}  {each.severity.value:<7}  {each.title}")
    else:
        click.echo(_text(found.codes[0]))


def _text(code: Code) -> str:
    asks = "no verdict" if code.severity.value == "note" else f"verdict {code.asks.value}"
    with_strict = ", with --strict" if code.severity.value == "warning" else ""
    head = f"{code.code} {code.name}: {code.title}\n  {code.severity.value}; {asks}{with_strict}"
    return "\n\n".join((head, _wrapped(code.meaning), "What to do: " + _wrapped(code.action)))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False, break_long_words=False)
