"""Sites and pseudo-users of a real drive test, as CSV for `hetgraph compare --sites ... --users ...`.

python examples/lte_sites.py TRACE.csv OUT_DIR

The users are places of one phone at different times: they were never in the network at once.
"""

import argparse
import sys
from pathlib import Path

from hetgraph.datasets import LTETrace, export_csv


def main() -> int:
    """Read the trace, write `sites.csv` and `users.csv`; 2 when the trace cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path, help="trace of Raca et al., G-NetTrack log or CellMapper export")
    parser.add_argument("out", type=Path, help="folder for sites.csv and users.csv")
    parser.add_argument("--most-users", type=int, default=500)
    parser.add_argument("--carrier", default=None, help="channel number, where a log tells several")
    args = parser.parse_args()
    try:
        trace = LTETrace.read(args.trace)
        args.out.mkdir(parents=True, exist_ok=True)
        sites, users = export_csv(
            trace, args.out / "sites.csv", args.out / "users.csv", most_users=args.most_users, carrier=args.carrier
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{trace.generation} trace of {len(trace)} rows: {sites} sites and {users} pseudo-users in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
