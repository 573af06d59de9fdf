"""The machine, in words."""

import functools
import os
import platform
from pathlib import Path


@functools.cache
def machine() -> str:
    """Cores that this process may use, their name, and the GPU."""
    return f"{cores()} core{'s' if cores() > 1 else ''} ({_processor()}), {_gpu()}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
