"""The version of a new gradebook's tables, found without starting nbgrader's program for it."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["newest_schema"]


def newest_schema() -> str:
    """The version of the database's schema that this nbgrader writes into a new gradebook.

    Its migrations each name the one before; the newest is named by none.
    """
    import nbgrader

    migrations = (Path(nbgrader.__file__).parent / "alembic" / "versions").glob("*.py")
    pairs = [
        re.findall(r"^(?:down_)?revision *= *['\"](\w+)['\"]", file.read_text(), re.MULTILINE)
        for file in migrations
    ]
    (newest,) = {own for own, *_ in pairs} - {earlier for _, *before in pairs for earlier in before}
    return newest
