"""How many scenes are rendered in a second.

    python benchmarks/scenes.py [--seconds 5] [--keep]

Measured on the CPU in one process with all cores as threads, on the CPU with one process a core (as torch's
`DataLoader` would), and on a GPU where there is one; for images of 64, 128 and 256 pixels, half rooms and half
streets, with the default options. Prints a row a measurement and, as its last line, one JSON object. Its `ratio` is
what two cores draw in a second of their own time at 64 pixels, over the 300 that are wanted; `ratio_by_clock` is the
best rate by the clock on the wall over the same 300, and means something only where `load` says that the machine had
nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time

import torch
from kept import about, keep

from dlcv.data.scenes import render
from dlcv.device import describe_device, pick_device, usable_cores

WANTED = 300
SIZES = (64, 128, 256)


def rate(size: int, seconds: float, device: str = "cpu", start: int = 0) -> float:
    """Return scenes a second, rendered in batches, after one batch to warm up."""
    count = max(16, 128 * (64 * 64) // (size * size)) * (16 if device != "cpu" else 1)
    render(range(start, start + count), size, device=device)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start += count
        batch = render(range(start, start + count), size, device=device)
        batch.image[0, 0, 0, 0].item()  # waits for the device
        done += count
    return done / (time.perf_counter() - began)


def worker(size: int, seconds: float, number: int, barrier, results) -> None:
    torch.set_num_threads(1)
    barrier.wait()
    results.put(rate(size, seconds, start=10**6 * number))


def rate_of_processes(size: int, seconds: float, processes: int) -> float:
    """Return scenes a second of several processes together, each with one thread."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=worker, args=(size, seconds, number, barrier, results))
        for number in range(processes)
    ]
    for process in workers:
        process.start()
    total = sum(results.get() for _ in workers)
    for process in workers:
        process.join()
    return total


def milliseconds(size: int = 64, count: int = 128) -> float:
    """Return one core's best time a scene, which other programs disturb less than the clock on the wall."""
    torch.set_num_threads(1)
    render(range(count), size)
    best = float("inf")
    for start in range(count, 9 * count, count):
        began = time.process_time()
        render(range(start, start + count), size)
        best = min(best, time.process_time() - began)
    return best / count * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each measurement takes")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results/")
    asked = parser.parse_args()
    seconds = asked.seconds
    cores = usable_cores()
    core = milliseconds()
    torch.set_num_threads(cores)
    ways = {
        f"CPU, 1 process, {cores} threads": lambda size: rate(size, seconds),
        f"CPU, {cores} processes": lambda size: rate_of_processes(size, seconds, cores),
    }
    if pick_device().type == "cuda":
        ways[describe_device()] = lambda size: rate(size, seconds, "cuda")
    measured = {way: {size: round(measure(size), 1) for size in SIZES} for way, measure in ways.items()}
    print(f"{'scenes a second':32}" + "".join(f"{size:>6} px" for size in SIZES))
    for way, rates in measured.items():
        print(f"{way:32}" + "".join(f"{value:9.1f}" for value in rates.values()))
    best = max(rates[64] for way, rates in measured.items() if way.startswith("CPU"))
    result = {
        "ratio": round(2000 / core / WANTED, 3),
        "ratio_by_clock": round(best / WANTED, 3),
        "scenes_per_second": measured,
        "core_milliseconds_at_64": round(core, 2),
        **about(),
    }
    if asked.keep:
        keep("scenes", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
