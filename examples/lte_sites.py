"""Sites and pseudo-users of a real drive test, as CSV for `hetgraph compare --sites ... --users ...`.

python examples/lte_sites.py TRACE.csv OUT_DIR
"""

import sys
from pathlib import Path

from hetgraph.datasets import LTETraceDataset, export_csv

if __name__ == "__main__":
    trace = LTETraceDataset.read(sys.argv[1])
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    sites, users = export_csv(trace, out / "sites.csv", out / "users.csv")
    print(f"{trace.generation} trace of {len(trace)} rows: {sites} sites and {users} pseudo-users in {out}")
