"""The command, from outside the package `proxy`: PyPI's proxy.py installs one of that name, too.

Where both are in one environment, whichever came last has overwritten the other's
`proxy/__init__.py`, and nothing inside the package could say so any more.
"""

import sys

DISTRIBUTION = "virtualsms-proxy"

COLLISION = """\
Error: the package `proxy` here is not that of virtualsms-proxy ({}); proxy.py has one, too: \
install virtualsms-proxy into an environment of its own (venv, pipx or uv tool)"""


def main() -> None:
    """`virtualsms-proxy`, or one line and exit code 1."""
    try:
        import proxy
    except ImportError as error:
        # Ours imports nothing.
        sys.exit(COLLISION.format(error))
    if getattr(proxy, "DISTRIBUTION", None) != DISTRIBUTION:
        where = getattr(proxy, "__file__", None) or ", ".join(proxy.__path__)
        sys.exit(COLLISION.format(where))
    from proxy.commands.main import main as command

    command(prog_name=DISTRIBUTION)


if __name__ == "__main__":
    main()
