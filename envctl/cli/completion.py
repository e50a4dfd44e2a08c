"""`envctl completion`."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  envctl completion bash >> ~/.bashrc
  envctl completion fish > ~/.config/fish/completions/envctl.fish"""
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the shell's completion script: commands, options and their values, completed by pressing Tab."""
    from click.shell_completion import get_completion_class

    root = ctx.find_root()
    kind = get_completion_class(shell)
    if kind is None:  # a click without this shell
        raise click.UsageError(f"this version of click cannot complete in {shell}")
    # not `source()`, which starts bash to ask for its version
    script = kind(root.command, {}, "envctl", "_ENVCTL_COMPLETE")
    click.echo(script.source_template % script.source_vars())
    return 0
