"""Do the words of a hint fit its solution? Code in backticks has to occur where a learner can find it."""

from __future__ import annotations

import builtins
import importlib
import io
import keyword
import re
import tokenize

__all__ = ["stub_comments", "unknown_words"]

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE = re.compile(r"`([^`]+)`")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
PYTHON = {*dir(builtins), *keyword.kwlist, "math", "np", "numpy", "torch", "nn", "F", "sympy", "sp", "self"}


def unknown_words(text: str, solution: str, chapter: str | None = None) -> list[str]:
    """The identifiers in backticks that occur neither in `solution`, nor in the chapter, torch or Python.

    >>> unknown_words("add `weight` to `out[i * stride:]`", "def f(weight, stride): out[i:] += weight")
    []
    >>> unknown_words("multiply by `kernel`", "def f(weight): ...")
    ['kernel']
    """
    words = [word for code in CODE.findall(text) for word in WORD.findall(QUOTED.sub("", code))]
    near = {*_tokens(solution, tokenize.NAME), *PYTHON}
    unknown = [word for word in dict.fromkeys(words) if word not in near]
    return [word for word in unknown if word not in _library(chapter)] if unknown else []


def stub_comments(solution: str) -> list[str]:
    """The comments of a solution cell that stay in the learners' stub.

    >>> stub_comments("# double `x`\\n### BEGIN SOLUTION\\n# so\\n### END SOLUTION")
    ['double `x`']
    """
    kept, inside = [], False
    for line in solution.splitlines():
        if "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            inside = "BEGIN" in line
        elif not inside:
            kept.append(line)
    return [re.sub(r"^#+\s*", "", comment) for comment in _tokens("\n".join(kept), tokenize.COMMENT)]


def _tokens(code: str, kind: int) -> list[str]:
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == kind:
                found.append(token.string)
    except (tokenize.TokenError, IndentationError):
        pass  # a stub without its solution may end in the middle of a block
    return found


def _library(chapter: str | None) -> set[str]:
    import torch

    names: set[str] = set()
    modules = [f"dlcv.{chapter}"] if chapter else []
    for place in (torch, torch.Tensor, torch.nn, torch.nn.functional, *map(importlib.import_module, modules)):
        names.update(dir(place))
    return names
