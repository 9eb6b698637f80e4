"""One line on a terminal that says how far a long command is."""

import sys

import click


def progress(what: str) -> None:
    """Shows the line; the next call replaces it, an empty one removes it. Programs get nothing."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{f'... {what}' if what else ''}", nl=False, err=True)
