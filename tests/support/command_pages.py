"""docs/reference/commands.md: every command with its options, made from the command line itself."""

from __future__ import annotations

import inspect
import re
import textwrap

import click

from envctl.cli.main import COMMANDS, main

_HEAD = """# Commands

Every command with its arguments, options and examples, as `envctl COMMAND --help` has them. This page is made from them
(`make golden`).

TARGET is `PROFILE` or `PROFILE:VARIANT`. A profile alone means its `default-variant`, or its only one; to `lock` it
means all of its variants. Where a lockfile is read, TARGET can also be the path of one. Results go to standard output,
messages and progress to standard error. What `--format json` writes is described in [the report](report.md);
[exit codes](exit-codes.md) are the same for all commands.
"""


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="envctl")
    parts = [_HEAD, "## Global options\n", "They come before the command: `envctl -C ../other lock`.\n", _options(main)]
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        usage = " ".join(command.collect_usage_pieces(click.Context(command)))
        parts += [f"## {name}\n", _paragraphs(command), f"```text\nenvctl {name} {usage}\n```\n", _options(command)]
        parts.append(f"Examples:\n\n```text\n{_examples(command)}\n```\n")
    return "\n".join(parts)


def _paragraphs(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "")
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 118) for part in text.split("\n\n")) + "\n"


def _options(command: click.Command) -> str:
    rows = ["| option | |", "|---|---|"]
    for option in command.params:
        if isinstance(option, click.Option):
            spelled = ", ".join(f"`{each}{_value(option)}`" for each in (*option.opts, *option.secondary_opts))
            rows.append(f"| {spelled} | {option.help} |")
    return "\n".join(rows if len(rows) > 2 else ["It has no options."]) + "\n"


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "\\|".join(option.type.choices)
    return f" {option.metavar or option.type.name.upper()}"


def _examples(command: click.Command) -> str:
    return "\n".join(re.findall(r"^  (envctl .*)$", command.epilog or "", re.MULTILINE))
