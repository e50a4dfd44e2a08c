"""`envctl sign`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from envctl.cli import complete
from envctl.cli.context import Settings, pass_settings, print_json
from envctl.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  envctl sign demo:cpu    with the key that git signs with
  envctl sign demo:cpu --key ~/.ssh/id_ed25519
  envctl sign --attestation verified.json   what `envctl verify` wrote"""
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete.targets)
@click.option(
    "--key",
    metavar="FILE",
    shell_complete=complete.files,
    help="An SSH key (default: git's user.signingkey, else the agent's only key).",
)
@click.option("--sigstore", is_flag=True, help="Sign with an identity of sigstore's; needs the extra `sigstore`.")
@click.option(
    "--attestation", metavar="FILE", shell_complete=complete.files, help="Sign a statement of `envctl verify` too."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
@pass_settings
def command(
    settings: Settings, targets: tuple[str, ...], key: str | None, sigstore: bool, attestation: str | None, form: str
) -> None:
    """Sign lockfiles: a detached signature beside each, over its exact bytes.

    It says that you stand for what is pinned there: review it before. `envctl verify --require-signature` accepts it
    from those who are trusted. A lockfile that was edited by hand is not signed.
    """
    if not targets and attestation is None:
        raise UsageError("it is not said what to sign", hint="`envctl sign TARGET`")
    if sigstore and key is not None:
        raise UsageError("--key and --sigstore exclude each other")
    from envctl.commands.sign import sign

    result = sign(
        settings.directory,
        targets,
        key=None if key is None else Path(key),
        attestation=None if attestation is None else Path(attestation),
        sigstore=sigstore,
        terminal=sys.stderr.isatty(),
    )
    if form == "json":
        print_json(result)
        return
    for one in result.signed:
        by = one.key or one.identity
        click.echo(f"signed: {one.signature}" + (f", by {by}" if by else ""))
    named = [one.target for one in result.signed if one.target is not None]
    if named:
        verify = f"envctl verify {named[0]} --require-signature"
        settings.say(f"hint: commit it; `{verify}` accepts it where you are trusted")
