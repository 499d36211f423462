"""A worker's process gives back what large blocks took: Celery's start sets it so."""

import platform
import subprocess
import sys

import pytest

from tests.support.worker_harness import ROOT

MB = 1_000_000
# What a few large answers do: the library learns from a freed block of 30 MB to keep such blocks in its heap, which
# ends with something small that lives on.
SCRIPT = """
import sys
import psutil

if sys.argv[1] == "worker":
    from workers.bootstrap import celeryd_init

    celeryd_init.disconnect(dispatch_uid="arboretum-ensure-redis")
    celeryd_init.send(sender=None)

large = bytearray(b"x") * 30_000_000
del large
process = psutil.Process()
before = process.memory_info().rss
blocks, small = [], []
for _ in range(20):
    blocks.append(bytearray(b"x") * 2_000_000)
    small.append(bytearray(2_000))
held = process.memory_info().rss - before
del blocks
print(held, process.memory_info().rss - before)
"""


def memory_after_large_blocks(kind: str) -> tuple[int, int]:
    """Return by how many bytes a process of this kind has grown with its blocks of 40 MB, and after it freed them."""
    run = subprocess.run([sys.executable, "-c", SCRIPT, kind], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    held, left = run.stdout.split()
    return int(held), int(left)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library keeps large blocks")
def test_worker_gives_back_what_large_blocks_took():
    assert memory_after_large_blocks("untouched")[1] > 30 * MB
    held, left = memory_after_large_blocks("worker")
    assert held > 38 * MB
    assert left < 4 * MB
