"""One thread for decisions, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest

COMMAND = """
from hetgraph.trainers import cli

class Command:
    @staticmethod
    def run(arguments):
        import torch

        print(torch.get_num_threads())
        return 0

cli.importlib.import_module = lambda name: Command
cli.main(["compare"])
"""


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("2", "2")])
def test_commands_that_decide_take_one_thread_or_as_many_as_asked_for(given: str | None, threads: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    out = subprocess.run(
        [sys.executable, "-P", "-c", COMMAND], capture_output=True, text=True, check=True, env=environment
    )
    assert out.stdout.strip() == threads
