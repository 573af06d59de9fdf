"""Latency and throughput of one worker of ``hetgraph serve``: ``python benchmarks/serve.py [CKPT] [--requests 50]``.

The service runs in a process of its own on this machine; one client sends one request after the other over one connection, so that
the throughput is that of one worker. Times are those of the client, from the first byte sent to the last one read.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from hetgraph.graph import Scenario, preset
from hetgraph.graph.json_form import graph_from_json, graph_to_json
from hetgraph.models import HetGNN, load, save
from hetgraph.models.inference import attributes_of, graph_of

READS = (
    "pos",
    "power_max_w",
    "rb_power_max_w",
    "noise_w",
    "offset",
    "boresight",
    "edge_index",
    "gain",
    "rb_bandwidth_hz",
)
DIGITS = 7  # of numbers in a request; float32 has no more


def scenarios() -> dict[str, Scenario]:
    """hetnet-3tier as it is (21 stations, 600 users, 12 blocks), and five stations with 100 users and 51 blocks."""
    return {"hetnet-3tier": preset("hetnet-3tier"), "uma-5bs, 100 users": preset("uma-5bs").scaled(users=1 / 54)}


def request_of(scenario: Scenario) -> dict[str, Any]:
    """A graph as a client writes it."""
    graph = scenario.sample(1, seed=0)
    values = graph_to_json(graph_of(attributes_of(graph)))
    kept = {store: {name: v for name, v in fields.items() if name in READS} for store, fields in values.items()}
    return {store: {name: _short(v) for name, v in fields.items()} for store, fields in kept.items() if fields}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def served(port: int, body: bytes, requests: int) -> list[float]:
    """Seconds of each request."""
    connection, times = http.client.HTTPConnection("127.0.0.1", port), []
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("POST", "/decide", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        times.append(time.perf_counter() - start)
        assert answer.status == 200, text
    return times


def wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until the service answers."""
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service ended")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "ckpt", nargs="?", help="checkpoint; HetGNN with new weights, which decides in the same time, without one"
    )
    parser.add_argument("--requests", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.ckpt or save(HetGNN(), Path(folder) / "best.ckpt")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        program = "from hetgraph.trainers.cli import main; main()"
        command = [sys.executable, "-c", program, "serve", "--ckpt", str(path), "--port", str(port)]
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        try:
            wait(port, process)
            measure(load(path), port, args.requests)
        finally:
            process.terminate()
            process.wait()


def measure(model: Any, port: int, requests: int) -> None:
    """Print a row for each graph."""
    torch.set_num_threads(1)
    print("| graph | N | U | R | request | p50 | p95 | requests/s | model alone | parse and check |")
    print("|---" * 10 + "|")
    for name, scenario in scenarios().items():
        values = request_of(scenario)
        body = json.dumps(values, separators=(",", ":")).encode()
        served(port, body, 3)  # first calls are slower
        times = sorted(served(port, body, requests))
        parsing, deciding = [], []
        for _ in range(10):
            start = time.perf_counter()
            graph = graph_of(attributes_of(graph_from_json(json.loads(body))))
            parsing.append(time.perf_counter() - start)
            start = time.perf_counter()
            model.infer(graph, {})
            deciding.append(time.perf_counter() - start)
        p50, p95 = statistics.median(times), times[min(int(0.95 * len(times)), len(times) - 1)]
        sizes = [
            len(values["bs"]["power_max_w"]),
            len(values["ue"]["noise_w"]),
            len(values["graph"]["rb_bandwidth_hz"][0]),
        ]
        row = [
            *sizes,
            f"{len(body) / 1e6:.2f} MB",
            *(f"{1e3 * t:.0f} ms" for t in (p50, p95)),
            f"{len(times) / sum(times):.1f}",
        ]
        row += [f"{1e3 * statistics.median(each):.0f} ms" for each in (deciding, parsing)]
        print(f"| {name} | {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
