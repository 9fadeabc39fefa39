"""Throws compiled code away that was made from other sources. Knows nothing of what is compiled.

numba keeps machine code beside each module, and makes it anew when that module changes, but not when a function that it
calls from another module does. So after an upgrade old and new code would be mixed.
"""

import hashlib
import os
from pathlib import Path

MARK = "compiled-from.sha256"
KINDS = ("*.nbi", "*.nbc")  # numba's index and its machine code


def forget_outdated(package: Path) -> bool:
    """Remove the compiled code of a package unless it was made from the very sources that are there now.

    Args:
        package: its folder; one that cannot be written is left as it is.

    Returns:
        Whether anything was removed.
    """
    digest = _digest(package)
    mark = package / "__pycache__" / MARK
    try:
        if mark.is_file() and mark.read_text() == digest:
            return False
        removed = _compiled(package)
        for path in removed:
            path.unlink(missing_ok=True)
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(digest)
    except OSError:  # an installation that others own: theirs to keep in order
        return False
    return bool(removed)


def _digest(package: Path) -> str:
    """Return the digest of all sources that are compiled or say how."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"numba" in source:
            digest.update(f"{path.relative_to(package)}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


def _compiled(package: Path) -> list[Path]:
    folders = [package, *(Path(folder) for folder in [os.environ.get("NUMBA_CACHE_DIR")] if folder)]
    return [path for folder in folders for kind in KINDS for path in folder.rglob(kind)]
