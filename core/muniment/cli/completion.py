"""`muniment completion`: a script that completes names and options with the Tab key."""

from __future__ import annotations

import click

from muniment.cli.command import CommandSession, VaultCommand, pass_session

INSTALL = {
    "bash": '# For bash 4.4 or newer. Add to ~/.bashrc:   eval "$(muniment completion bash)"',
    "zsh": '# Add to ~/.zshrc, after compinit:   eval "$(muniment completion zsh)"',
    "fish": "# Once:   muniment completion fish > ~/.config/fish/completions/muniment.fish",
}


@click.command(cls=VaultCommand)
@click.argument("shell", type=click.Choice(tuple(INSTALL)))
@pass_session
def completion(session: CommandSession, shell: str) -> None:
    """Print a script for completion with the Tab key.

    Its first line says where to put it. It also completes the names of
    profiles and users, from the vault that MUNIMENT_VAULT names.

    \b
    Example:
      eval "$(muniment completion bash)"
    """
    script = script_for(shell)
    if session.json:
        session.out.json({"shell": shell, "script": script})
    else:
        session.out.block(script)


def script_for(shell: str) -> str:
    """The completion script for a shell; its first line is a comment that says how to install it."""
    from click.shell_completion import get_completion_class

    from muniment.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None
    completer = kind(root, {}, "muniment", "_MUNIMENT_COMPLETE")
    return f"{INSTALL[shell]}\n{completer.source_template % completer.source_vars()}"


COMMANDS = (completion,)
