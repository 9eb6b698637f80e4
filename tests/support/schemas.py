"""Files held to the schema of their kind, as check-jsonschema ships it: no network."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "check-jsonschema"


def faults(schema: str, *paths: Path) -> str:
    """What is wrong in the files; "" if nothing. `schema` is a name such as `compose-spec`."""
    command = [PROGRAM, "--builtin-schema", f"vendor.{schema}", *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""
