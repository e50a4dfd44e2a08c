"""`envctl completion`."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")

# click's own script gives up at the colon of a target, at which bash breaks words. This one takes words as they were
# typed, and gives back what comes behind the colon.
_BASH = r"""_envctl_completion() {
    local line=${COMP_LINE:0:COMP_POINT} response type value kept=""
    local current=${line##*[[:space:]]}
    local -a words
    read -ra words <<< "$line"
    local cword=${#words[@]}
    [[ -n $current ]] && ((cword--))
    [[ $COMP_WORDBREAKS == *:* ]] && kept=${current%"${current##*:}"}
    response=$(env COMP_WORDS="$line" COMP_CWORD="$cword" _ENVCTL_COMPLETE=bash_complete "$1" 2> /dev/null)
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case $type in
            dir) compopt -o dirnames 2> /dev/null ;;
            file) compopt -o default 2> /dev/null ;;
            plain) COMPREPLY+=("${value#"$kept"}") ;;
        esac
    done <<< "$response"
    return 0
}

complete -o nosort -F _envctl_completion envctl"""


@click.command(
    epilog="""\b
Examples:
  envctl completion bash >> ~/.bashrc
  envctl completion fish > ~/.config/fish/completions/envctl.fish"""
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the script that lets a shell complete commands, options and targets with Tab."""
    if shell == "bash":
        click.echo(_BASH)
        return 0
    from click.shell_completion import get_completion_class

    root = ctx.find_root()
    kind = get_completion_class(shell)
    if kind is None:  # a click without this shell
        raise click.UsageError(f"this version of click cannot complete in {shell}")
    script = kind(root.command, {}, "envctl", "_ENVCTL_COMPLETE")
    click.echo(script.source_template % script.source_vars())
    return 0
