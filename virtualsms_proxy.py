"""The command's entry point. It is outside the package `proxy` because proxy.py on PyPI installs
a package of the same name.

With both in one environment, the later one has overwritten the other's `proxy/__init__.py`, and no
code inside the package could report it.
"""

import sys

DISTRIBUTION = "virtualsms-proxy"

COLLISION = """\
Error: the package `proxy` here is not that of virtualsms-proxy ({}); proxy.py has one, too: \
install virtualsms-proxy into an environment of its own (venv, pipx or uv tool)"""


def main() -> None:
    """Runs `virtualsms-proxy`; if the package is another one, prints one line, exit code 1."""
    try:
        import proxy
    except ImportError as error:
        # Our proxy/__init__.py imports nothing.
        sys.exit(COLLISION.format(error))
    if getattr(proxy, "DISTRIBUTION", None) != DISTRIBUTION:
        where = getattr(proxy, "__file__", None) or ", ".join(proxy.__path__)
        sys.exit(COLLISION.format(where))
    from proxy.commands.main import main as command

    command(prog_name=DISTRIBUTION)


if __name__ == "__main__":
    main()
