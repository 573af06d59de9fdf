"""Stations that see no more than their own view: unrolled schedulers, and values and powers on one trunk, beside rules."""

from hetgraph.trainers.iot.task import TASK
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.iot_tables import judged, scenario_of
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.reproduce.trainings import D, M, options

SMALL = "iot-noma:users=20,small_cells=3,subchannels=10,load=4"
OWN, PRICED, MEAN = "unrolled", "unrolled, prices of neighbours", "unrolled, no attention"
CHANGES = {OWN: (), PRICED: options(M, prices=True), MEAN: options(M, attention=False)}
TRUNK, TRUNK_PRICED = "values and powers on one trunk", "one trunk, prices of neighbours"
TRUNKS = {TRUNK: (), TRUNK_PRICED: options(M, prices=True)}  # on small networks alone
SIZES = {"small": options(D, scenario=SMALL), "noma": ()}
STRONG = "wmmse_pf"  # knows all links, and is the 100%
RULES = (STRONG, "wmmse_path_loss", "own_view")
MEASURES = (
    Measure("throughput_bps"),
    Measure("throughput_bps", "ratio", STRONG, ".3f", ".3f"),
    Measure("bit_per_j", "ratio", STRONG, ".2f", ".2f"),
    Measure("qos_violation", form=".2f", half=".2f"),
    Measure("qos_violation", "difference", STRONG, "+.2f", ".2f"),
    *(Measure(kpi, "ratio", "own_view", ".3f", ".3f") for kpi in ("throughput_bps", "bit_per_j")),
    Measure("jain", form=".3f", half=".3f"),
    Measure("utilisation", form=".1f", half=".1f"),
)


def run_of(row: str, size: str) -> str:
    """Run of a row on networks of a size."""
    names = {
        OWN: "unrolled",
        PRICED: "unrolled-prices",
        MEAN: "unrolled-mean",
        TRUNK: "trunk",
        TRUNK_PRICED: "trunk-prices",
    }
    return f"{names[row]}-{size}"


def own_view(bench: Bench) -> Section:
    """Schedulers from nothing on each station's own view, and with S numbers from each neighbour, beside rules that know all."""
    networks, slots, tables = bench.count(40, 2), bench.count(200, 8), []
    for size, scenario in (("small", SMALL), ("noma", scenario_of(bench))):
        names = {row: run_of(row, size) for row in (*CHANGES, *(TRUNKS if size == "small" else ()))}
        learned = bench.learned(names, "untrained")
        if not learned:  # rules alone have a section of their own
            continue
        methods = rules(TASK, *RULES) | _untrained(bench, names[OWN]) | learned
        trial = judged(bench, scenario, methods, networks, slots)
        tables.append(trial_table(trial, methods, scenario, MEASURES))
    note = (
        "`own_view` is the first edition's rule without what others' users report, with numbers tuned for the small networks."
        " Kept promises are one less the violations; all others learn from nothing, unrolled ones by the gradient of rates of the"
        " present slot, those on one trunk by temporal differences of the paper's reward, and go to the station of least path loss."
    )
    return Section(tuple(tables), (note,), networks=f"{networks} networks each, {slots} slots")


def _untrained(bench: Bench, run: str) -> Methods:
    members = bench.untrained(run)
    return {"untrained": Method(members, "untrained weights")} if members else {}
