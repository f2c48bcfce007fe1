"""Large pages change nothing but how memory is laid out."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import hashlib, os
from autograder.large_pages import use_large_pages
content = [bytes([number % 251]) * 4000 for number in range(8_000)]
before = hashlib.sha256(b"".join(content)).hexdigest()
moved = use_large_pages()
child = os.fork()
if child == 0:
    content[0] = b"the child's own"
    os._exit(hashlib.sha256(b"".join(content)).hexdigest() == before)
assert os.waitpid(child, 0)[1] == 0
assert hashlib.sha256(b"".join(content)).hexdigest() == before
print(moved)
"""


@pytest.fixture(scope="module")
def moved():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_holds_what_it_held(moved):
    assert moved >= 0 and moved % (2 * 2**20) == 0


def test_memory_is_in_large_pages_where_the_kernel_can(moved):
    release = tuple(map(int, platform.release().split(".")[:2]))
    if release < (6, 1) or not Path("/sys/kernel/mm/transparent_hugepage").exists():
        pytest.skip("needs Linux 6.1 with large pages")
    assert moved >= 16 * 2**20
