"""How long the references take beside torch's own operations.

    python benchmarks/references.py [CHAPTER ...]

Prints a row a case and, as its last line, one JSON object: for each case the ratio of our time to torch's (how many
times slower we are; below 1 is faster), and for loops the ratio of their time to the vectorised version's.
A vectorised reference is meant to stay below ten.
"""

from __future__ import annotations

import argparse
import json
import platform
import timeit
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

Pair = tuple[str, Callable[[], object], Callable[[], object]]
CHAPTERS: dict[str, Callable[[], Iterator[Pair]]] = {}


def chapter(pairs: Callable[[], Iterator[Pair]]) -> Callable[[], Iterator[Pair]]:
    """Add a chapter: a generator named after it that yields what is measured, ours and what it is measured against."""
    CHAPTERS[pairs.__name__] = pairs
    return pairs


@chapter
def transposed_convolution() -> Iterator[Pair]:
    from dlcv import transposed_convolution as tc

    for words, (n, c, o, size, k, stride, padding) in {
        "decoder layer, 64 to 32 channels, k4 s2": (8, 64, 32, 32, 4, 2, 1),
        "deep layer, 256 to 256 channels, k2 s2": (1, 256, 256, 14, 2, 2, 0),
        "checkerboard layer, 128 to 64 channels, k3 s2": (4, 128, 64, 16, 3, 2, 1),
        "FCN-8s, 21 classes, k16 s8": (1, 21, 21, 32, 16, 8, 4),
        "an image, 3 to 3 channels, k4 s2": (8, 3, 3, 64, 4, 2, 1),
    }.items():
        x, weight = torch.randn(n, c, size, size), torch.randn(c, o, k, k)
        settings = dict(stride=stride, padding=padding)
        yield (
            f"conv_transpose2d: {words}",
            lambda x=x, weight=weight, settings=settings: tc.conv_transpose2d(x, weight, **settings),
            lambda x=x, weight=weight, settings=settings: F.conv_transpose2d(x, weight, **settings),
        )
    plane, weight = torch.randn(32, 32), torch.randn(4, 4)
    yield (
        "loops against vectorised: one plane, 32 x 32, k4 s2",
        lambda: tc.conv_transpose2d_naive(plane, weight, stride=2),
        lambda: tc.conv_transpose2d(plane[None, None], weight[None, None], stride=2),
    )


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the best time of one call; short calls are run in bulk."""
    call()
    once = timeit.timeit(call, number=1)
    number = max(1, min(200, int(0.05 / max(once, 1e-7))))
    return min(timeit.repeat(call, number=number, repeat=repeats)) / number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help=f"of {', '.join(CHAPTERS)}; none means all"
    )
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if unknown := set(asked.chapters) - CHAPTERS.keys():
        parser.error(f"no benchmark for {', '.join(sorted(unknown))}; there is {', '.join(CHAPTERS)}")
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    ratios = {}
    for name in asked.chapters or CHAPTERS:
        for words, ours, theirs in CHAPTERS[name]():
            mine, other = seconds(ours), seconds(theirs)
            ratios[f"{name}: {words}"] = round(mine / other, 3)
            print(f"{1000 * mine:10.3f} ms {1000 * other:10.3f} ms {mine / other:8.2f}  {words}")
    about = {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"threads": asked.threads, **about, "ratios": ratios}))


if __name__ == "__main__":
    main()
