"""Answers that are no numbers, or numbers that want to be taken for others."""

from __future__ import annotations

from .attack import CASES, PAINT, SIZE, Attack

SHAPED = ("wrong values", "wrong shape")


def _returns(value: str, before: str = "") -> dict[str, str]:
    """An answer to the first exercise that returns an expression; `zeros` has the right shape."""
    return {
        PAINT: f"{before}\ndef conv_transpose1d(x, weight, stride=1):\n"
        "    zeros = torch.zeros((len(x) - 1) * stride + len(weight))\n"
        f"    return {value}\n"
    }


def _counts(value: str, before: str = "") -> dict[str, str]:
    return {SIZE: f"{before}\ndef output_size(*arguments, **keywords):\n    return {value}\n"}


EQUAL_TO_ALL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __le__ = __ge__ = __lt__ = __gt__ = __contains__ = __eq__
    def __sub__(self, other): return 0.0
    __rsub__ = __abs__ = __sub__
    def __abs__(self): return 0.0
    def __bool__(self): return True
    def __float__(self): return 0.0
    shape, dtype, ndim = (3,), torch.float32, 1
"""

ATTACKS = [
    Attack(
        "numbers-nan",
        "A check that asks whether any difference is too large never finds NaN to be larger.",
        cells=_returns("zeros * float('nan')"),
    ),
    Attack(
        "numbers-infinity",
        "inf - inf is NaN, and a tolerance relative to the answer's own size becomes infinite.",
        cells=_returns("zeros + float('inf')") | _counts("float('inf')"),
    ),
    Attack(
        "numbers-equal-to-everything",
        "`answer == expected` is true, whichever side asks.",
        cells=_returns("Yes()", EQUAL_TO_ALL) | _counts("Yes()"),
        paint=("wrong shape",),
        size=("wrong shape",),
    ),
    Attack(
        "numbers-torch-function",
        "A tensor subclass answers torch.equal, allclose and every comparison itself, always with yes.",
        cells=_returns(
            "zeros.as_subclass(Yes)",
            "class Yes(torch.Tensor):\n"
            "    @classmethod\n"
            "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
            "        return True\n",
        ),
    ),
    Attack(
        "numbers-torch-dispatch",
        "A wrapper subclass computes its contents when asked, knowing by then what it is compared with.",
        cells=_returns(
            "Late(zeros)",
            "class Late(torch.Tensor):\n"
            "    @staticmethod\n"
            "    def __new__(cls, like):\n"
            "        return torch.Tensor._make_wrapper_subclass(cls, like.shape, dtype=like.dtype)\n"
            "    @classmethod\n"
            "    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):\n"
            "        return torch.ones(())\n",
        ),
        paint=("wrong values", "wrong shape", "crashed"),
    ),
    Attack(
        "numbers-lying-shape",
        "Shape and dtype are asked of the subclass, which says what is wanted over one single number.",
        cells=_returns(
            "torch.zeros(1).as_subclass(Liar)",
            "class Liar(torch.Tensor):\n"
            "    shape = property(lambda self: (5,))\n"
            "    dtype = property(lambda self: torch.float32)\n"
            "    def size(self, *_): return (5,)\n"
            "    def numel(self): return 5\n",
        ),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-array-subclass",
        "An array subclass overrides comparison, subtraction and conversion, and carries metadata in its dtype.",
        cells=_returns(
            "np.zeros(5, dtype=np.dtype('f4', metadata={'expected': 'this'})).view(Odd)",
            "import numpy as np\n"
            "class Odd(np.ndarray):\n"
            "    __array_priority__ = 1e9\n"
            "    def __array_finalize__(self, other): self.tag = 'right'\n"
            "    def __array_ufunc__(self, *_, **__): return np.bool_(True)\n"
            "    def __array_function__(self, *_, **__): return True\n"
            "    def __eq__(self, other): return np.bool_(True)\n",
        ),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-object-array",
        "An array of objects whose elements equal everything; loading one needs pickle.",
        cells=_returns(
            "np.array([Yes() for _ in zeros], dtype=object)", "import numpy as np\n" + EQUAL_TO_ALL
        ),
        paint=("wrong shape", "crashed"),
    ),
    Attack(
        "numbers-int-subclass",
        "A number whose ==, abs and - are its own.",
        cells=_counts(
            "Chameleon(-1)",
            "class Chameleon(int):\n"
            "    def __eq__(self, other): return True\n"
            "    def __hash__(self): return 0\n"
            "    def __int__(self): return self\n"
            "    def __index__(self): return 7\n"
            "    def __sub__(self, other): return 0\n"
            "    def __abs__(self): return 0\n",
        ),
    ),
    Attack(
        "numbers-float-that-changes",
        "A number that is another one each time it is read: one of the readings will do.",
        cells=_counts(
            "Slot()",
            "import random\n"
            "class Slot(float):\n"
            "    def __float__(self): return random.random()\n"
            "    def __eq__(self, other): return True\n"
            "    __hash__ = None\n",
        ),
    ),
    Attack(
        "numbers-truth",
        "True is 1 and equals any count of one.",
        cells=_counts("True"),
        size=("wrong shape",),
    ),
    Attack(
        "numbers-constant",
        "A number that is right now and then: partial credit for nothing.",
        cells=_counts("13"),
    ),
    Attack(
        "numbers-giant",
        "A number too long to be written down, to stall or break whoever reads it.",
        cells=_counts("10 ** 4000"),
        size=("wrong shape",),
    ),
    Attack(
        "numbers-all-answers-at-once",
        "A container that `expected in answer` or a zip over the shorter side takes for right.",
        cells=_returns("[zeros, zeros + 1, zeros + 2]") | _counts("list(range(100))"),
        paint=("wrong shape",),
        size=("wrong shape",),
    ),
    Attack(
        "numbers-empty",
        "all() of nothing is true, and the largest error of an empty tensor is none.",
        cells=_returns("zeros[:0]") | _counts("[]"),
        paint=("wrong shape",),
        size=("wrong shape",),
    ),
    Attack(
        "numbers-broadcast",
        "A shape of (1,) or (n, 1) is compared with anything by broadcasting.",
        cells=_returns("zeros[:, None].expand(-1, len(zeros)) if stride > 1 else zeros[:1]"),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-terabyte-view",
        "A view of one number that is a terabyte once somebody copies it: the grader runs out of memory.",
        cells=_returns("torch.zeros(1).expand(10**12)"),
        paint=("crashed", "wrong shape"),
    ),
    Attack(
        "numbers-no-contents",
        "A tensor without numbers (meta, sparse, complex, quantised) cannot be told from the right one.",
        cells=_returns("zeros.to('meta') if stride > 1 else zeros.to_sparse()"),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-complex",
        "The real part is compared, the rest is where the cheat keeps its notes.",
        cells=_returns("zeros.to(torch.complex64)"),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-forged-gradient",
        "An autograd function whose backward hands out what the check wants, over an output of zeros.",
        cells=_returns(
            "Forged.apply(x, weight, zeros)",
            "class Forged(torch.autograd.Function):\n"
            "    @staticmethod\n"
            "    def forward(ctx, x, weight, out):\n"
            "        ctx.save_for_backward(x, weight)\n"
            "        return out.clone()\n"
            "    @staticmethod\n"
            "    def backward(ctx, gradient):\n"
            "        x, weight = ctx.saved_tensors\n"
            "        return torch.ones_like(x), torch.ones_like(weight), None\n",
        ),
    ),
    Attack(
        "numbers-endless-container",
        "Turning the answer into data never ends; no call of the learner's is being timed any more.",
        cells=_returns(
            "Endless()",
            "import itertools\n"
            "class Endless(dict):\n"
            "    def items(self): return zip(itertools.count(), itertools.repeat(None))\n",
        ),
        paint=("wrong shape",),  # given up after so many parts
    ),
    Attack(
        "numbers-nested",
        "A list in a list in a list: who walks it by recursion dies.",
        cells=_returns("nest", "nest = []\nfor _ in range(100_000):\n    nest = [nest]\n"),
        paint=("wrong shape",),
    ),
    Attack(
        "numbers-changed-inputs",
        "The inputs are set to zero in place: an expected value computed from them afterwards is zero, too.",
        cells=_returns("x.data.zero_().sum() * weight.data.zero_().sum() * zeros"),
        paint=("wrong values",),
    ),
    Attack(
        "numbers-published-lookup",
        "The cases that `check` shows are looked up in a table; where grading asks the same ones, it is full marks.",
        cell=CASES + "for case in make_cases('published', 4): table[key_of(case)] = answered(case)\n",
        cells=_returns("table.get(key(x, weight, stride), zeros)"),
    ),
    Attack(
        "numbers-guessed-seeds",
        "Tables of the cases of likely seeds: 0, the course's name, the empty text.",
        cell=CASES
        + "for seed in ('0', '1', '42', '', 'secret', 'seed', 'dense-prediction', 'dlcv', 'None'):\n"
        "    for case in make_cases(seed): table[key_of(case)] = answered(case)\n",
        cells=_returns("table.get(key(x, weight, stride), zeros)"),
    ),
    Attack(
        "numbers-same-chance",
        "The grader's random numbers come from the global generator, which the learner seeds and reads ahead.",
        cell="torch.manual_seed(0)\nahead = [torch.randn(5) for _ in range(50)]\n",
        cells=_returns("next((a for a in ahead if a.shape == zeros.shape), zeros)", "torch.manual_seed(0)\n"),
    ),
]
