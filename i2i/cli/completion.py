"""`i2i completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes i2i's commands, methods and options in SHELL.

    \b
    bash:  echo 'eval "$(i2i completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(i2i completion zsh)"' >> ~/.zshrc
    fish:  i2i completion fish > ~/.config/fish/completions/i2i.fish
    """
    script = get_completion_class(shell)
    if script:
        click.echo(script(context.find_root().command, {}, "i2i", "_I2I_COMPLETE").source())
