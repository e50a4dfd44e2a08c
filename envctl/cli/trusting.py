"""The options that demand a signature of the lockfile, shared by the commands that use one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from envctl.cli import complete
from envctl.errors import UsageError

_OPTIONS = (
    click.option(
        "--require-signature", is_flag=True, help="Nothing is done with a lockfile that nobody trusted has signed."
    ),
    click.option(
        "--allowed-signers",
        metavar="FILE",
        shell_complete=complete.files,
        help="With --require-signature: the SSH keys that are trusted (default: as configured).",
    ),
    click.option(
        "--identity", metavar="WHO", help="With --require-signature: who must have signed (default: any of them)."
    ),
    click.option("--issuer", metavar="URL", help="With --identity: who vouches for them; asks for a sigstore bundle."),
)


def trusting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument, `trust`."""

    @functools.wraps(command)
    def with_trust(
        *args: Any,
        require_signature: bool,
        allowed_signers: str | None,
        identity: str | None,
        issuer: str | None,
        **kwargs: Any,
    ) -> Any:
        from envctl.commands.trust import Trust

        given = {"--allowed-signers": allowed_signers, "--identity": identity, "--issuer": issuer}
        for name, value in given.items():
            if value is not None and not require_signature:
                raise UsageError(f"{name} is for --require-signature")
            if value == "":
                raise UsageError(f"{name} is empty")
        trust = Trust(
            required=require_signature,
            allowed_signers=None if allowed_signers is None else Path(allowed_signers),
            identity=identity,
            issuer=issuer,
        )
        return command(*args, trust=trust, **kwargs)

    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), with_trust)
