"""What the warm interpreter should have imported before the first submission comes."""

from __future__ import annotations

import ast

from .release import SHOWN, Release

__all__ = ["preloads"]


def preloads(release: Release) -> list[str]:
    """Modules that the release's own cells import: worth having in the warm interpreter."""
    modules = [f"dlcv.{release.chapter}.exercises"]
    for slot in release.slots:
        if slot.kind == "code" and slot.role not in SHOWN:
            try:
                tree = ast.parse(slot.source)
            except SyntaxError:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    modules += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    # What is imported from a package may be a module, too.
                    modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(modules))
