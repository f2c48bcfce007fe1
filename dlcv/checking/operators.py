"""torch's operators, seen whatever name reached them: ``F.conv1d``, ``torch.ops``, an alias, TorchScript.

There are two nets. `FastNet` lies in torch's own dispatcher. Each operator that some exercise forbids gets a kernel
under a dispatch key that nothing else uses; the key is switched on for this thread while an answer runs. Operators
that nobody forbids do not pass through Python at all, so watching them costs nothing. `CompleteNet`, a
`TorchDispatchMode`, sees every operator, for five times the price of a small one.

The fast net leaves out what torch calls by itself beneath nearly every view (`BLIND`): a kernel there would be as
slow as the complete net. Where the fast net cannot be laid, in a torch to come, the complete one is used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dlcv.checking.forbidden import Forbidden

__all__ = ["BLIND", "CompleteNet", "FastNet", "Seen"]

# Operators by name and overload that the fast net does not see.
BLIND = ("as_strided.default",)

# Called with an operator's namespace and its name and overload, as in ("aten", "max.dim"); returns whether it matters.
Seen = Callable[[str, str], bool]

_KEY = "TESTING_ONLY_GenericMode"


class CompleteNet(TorchDispatchMode):
    """Says each operator of its block to `seen`; those that do not matter are kept in `harmless`, and said once."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True, torch's default, imports torch._dynamo at the first operator: over a second

    def __init__(self, seen: Seen, harmless: set[str]):
        super().__init__()
        self.seen, self.harmless = seen, harmless

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if operator._name not in self.harmless:
            namespace, _, name = operator._schema.name.partition("::")
            if not self.seen(namespace, f"{name}.{operator._overloadname}"):
                self.harmless.add(operator._name)
        return operator(*args, **(kwargs or {}))


class FastNet:
    """The net in the dispatcher; one for a process, made by `lay`.

    It says ``seen(namespace, name)`` for operators of the patterns that it was told to `cover`, in the blocks of
    `watching`; what an operator calls by itself, beneath autograd, is not said.
    """

    def __init__(self) -> None:
        self._key = torch._C._parse_dispatch_key(_KEY)
        self._beneath = torch._C.DispatchKey.AutogradOther  # excluded while an operator's own kernel runs
        # The two libraries live as long as the process: torch takes kernels back when theirs is gone.
        self._libraries = {"_": torch.library.Library("_", "IMPL")}
        self._libraries["_"].m.fallback_fallthrough(_KEY)
        self._covered = {f"aten::{name.removesuffix('.default')}" for name in BLIND}
        self._groups: set[Forbidden] = set()
        self._operators: list[tuple[str, str]] = []
        self._loaded = -1
        self._seen: Seen | None = None

    @classmethod
    @functools.cache
    def lay(cls) -> FastNet | None:
        """Return the process's net; None where this torch has no place for it."""
        try:
            net = cls()
            return net if net._holds() else None
        except Exception:  # parts of torch that it does not promise to keep
            return None

    def cover(self, groups: Iterable[Forbidden]) -> None:
        """From now on see the operators of these groups."""
        loaded = len(torch.ops.loaded_libraries)  # torchvision's operators come with its import
        if loaded != self._loaded:
            self._loaded, self._groups = loaded, set()
            self._operators = [(full, _name(full)) for full in torch._C._dispatch_get_all_op_names()]
        for group in groups:
            if group in self._groups:
                continue
            self._groups.add(group)
            for full, name in self._operators if group.aten else ():
                if full not in self._covered and group.has_operator(name):
                    self._covered.add(full)
                    self._add(full)

    def watching(self, seen: Seen) -> AbstractContextManager:
        """Say what is called in the block to `seen`."""
        return _Watching(self, seen)

    def _add(self, full: str) -> None:
        namespace, name = full.partition("::")[0], _name(full)
        key, excluded, beneath = self._key, torch._C._dispatch_tls_is_dispatch_key_excluded, self._beneath

        @functools.cache
        def operator() -> Any:
            base, _, overload = name.partition(".")
            return getattr(getattr(getattr(torch.ops, namespace), base), overload)

        def kernel(keys: Any, *args: Any, **kwargs: Any) -> Any:
            if self._seen is not None and not excluded(beneath):
                self._seen(namespace, name)
            return operator().redispatch(keys.remove(key), *args, **kwargs)

        if namespace not in self._libraries:
            self._libraries[namespace] = torch.library.Library(namespace, "IMPL")
        self._libraries[namespace].impl(full, kernel, _KEY, with_keyset=True)

    def _holds(self) -> bool:
        """Try the net: does it see a convolution under another name, and let everything else pass, gradients too?"""
        called: list[str] = []
        x = torch.ones(1, 1, 2, requires_grad=True)
        self.cover([Forbidden("a trial", aten=("conv1d",))])
        with self.watching(lambda namespace, name: bool(called.append(name))):
            y = torch.ops.aten.conv1d(x, torch.ones(1, 1, 1)) * 2
            (gradient,) = torch.autograd.grad(y.sum(), x)
        return called == ["conv1d.default"] and gradient.tolist() == [[[2.0, 2.0]]] and self._seen is None


class _Watching:
    """The block of `FastNet.watching`; blocks may be nested."""

    def __init__(self, net: FastNet, seen: Seen):
        self.net, self.seen = net, seen
        self.guard = torch._C._IncludeDispatchKeyGuard(net._key)

    def __enter__(self) -> None:
        self.before, self.net._seen = self.net._seen, self.seen
        self.guard.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.guard.__exit__(*exception)
        self.net._seen = self.before


def _name(full: str) -> str:
    """Return ``"max.dim"`` for ``"aten::max.dim"`` and ``"conv1d.default"`` for ``"aten::conv1d"``."""
    name = full.partition("::")[2]
    return name if "." in name else f"{name}.default"
