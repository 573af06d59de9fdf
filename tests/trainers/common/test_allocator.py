"""Freed memory that stays with the process."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, statistics, sys
import torch
from hetgraph.trainers.common.allocator import keep_freed_memory
kept = sys.argv[1] == "kept" and keep_freed_memory()
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def pass_over(start):
    tensors = [start + float(place) for place in range(8)]  # 4 MiB each
    return sum(tensors)
start = torch.ones(1 << 20)
for _ in range(3):
    pass_over(start)
counts = []
for _ in range(20):
    before = pages()
    pass_over(start)
    counts.append(pages() - before)
print(round(statistics.median(counts)), kept)  # a machine short of memory takes pages away now and then, whoever kept them
"""


def _faults(how: str, **environment: str) -> tuple[int, bool]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | environment
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, env=env, check=True)
    count, kept = done.stdout.split()
    return int(count), kept == "True"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_tensors_reuse_memory_that_is_kept() -> None:
    plain, _ = _faults("plain")
    kept, does = _faults("kept")
    if not does:
        pytest.skip("another C library")
    assert plain > 100  # else there is nothing to gain
    assert kept < plain / 10


def test_the_environment_comes_first() -> None:
    assert _faults("kept", MALLOC_TRIM_THRESHOLD_="131072")[1] is False
