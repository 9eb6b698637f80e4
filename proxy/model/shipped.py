"""Where the shipped tables are: the one file of this room that asks the file system."""

from pathlib import Path


def shipped_folder() -> Path:
    """The folder `mappings`: in the package in a wheel, and beside the package in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "mappings"
    return inside if inside.is_dir() else package.parent / "mappings"
