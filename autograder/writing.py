"""Files written whole or not at all: a reader, or a run after a crash, never finds half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .course import CourseError

__all__ = ["write"]


def write(path: Path, content: str | bytes) -> Path:
    """Write `content` to `path` in one step; raise `CourseError`, in words, where that cannot be done."""
    content = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise CourseError(f"{path} could not be written: {error.strerror or error}") from error
    return path
