"""What `envctl verify` does with its report: the format, and where it goes."""

from __future__ import annotations

import click

from envctl.cli.context import Settings
from envctl.model.finding import Report


def show_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the JSON Schema of the report and end; an option's callback."""
    if not wanted or ctx.resilient_parsing:
        return
    from envctl.report.json import SCHEMA
    from envctl.system.sources import own_file

    click.echo(own_file("envctl.report", SCHEMA.name).decode(), nl=False)
    ctx.exit()


def deliver(settings: Settings, report: Report, *, form: str | None, output: str | None) -> None:
    """Render the report, and write it to a file or to standard output.

    Args:
        form: one of `envctl.report.formats.FORMATS`; None: what the file's ending asks for, else text.
        output: a file relative to the project folder; None or `-`: standard output.
    """
    from envctl.report import formats

    output = None if output == "-" else output
    form = form or (formats.meant_by(output) if output is not None else "text")
    text = _rendered(settings, report, form, colored=output is None)
    if output is None:
        _echo(settings, text, whole=form != "text")
        return
    from envctl.system.files import write_atomically

    write_atomically({settings.directory / output: (text + "\n").encode()})
    what = "the report" if form == "text" else f"the report ({form})"
    settings.say(f"{report.verdict.value}: {what} on {report.subject.name} is in {output}")


def _rendered(settings: Settings, report: Report, form: str, *, colored: bool) -> str:
    from envctl.commands.places import places
    from envctl.report import formats

    if form == "text":
        from envctl.report.text import Style, render

        return render(report, style=Style(verbose=settings.verbose, color=colored and settings.colored()))
    return formats.adapter(form)(report, places(settings.directory, report) if form == "sarif" else None)


def _echo(settings: Settings, text: str, *, whole: bool) -> None:
    """The report on standard output; the last line of a text, what to type next, is a message."""
    result, _, last = text.rpartition("\n")
    hinted = last.startswith("hint: ") and not whole
    click.echo(result if hinted else text, color=True)
    if hinted:
        settings.say(last)
