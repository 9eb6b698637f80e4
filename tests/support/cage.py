"""What `docker run --read-only --cap-drop ALL` does, done by namespaces where the kernel allows."""

import subprocess
from pathlib import Path

NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]

# Read-only but for one folder; then the user of the image, who has no capability, as process 1.
SCRIPT = """
mount --bind "$1" "$1"
mount -o remount,bind,ro /
user=$2
shift 2
exec unshare --user --map-user="${user%:*}" --map-group="${user#*:}" "$@"
"""


def cage(writable: Path, user: str) -> list[str]:
    """What to put before a command; nothing where namespaces are not to be had.

    `user` is uid:gid. Without a cage the command is no process 1 and has the caller's uid.
    """
    prefix = [*NAMESPACES, "sh", "-ec", SCRIPT, "cage", str(writable), user]
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        works = False
    return prefix if works else []


def inmate(process: subprocess.Popen[str]) -> int:
    """The process id, seen from here, of what the cage holds."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(path.read_text().split()[0])
