"""Stations that see no more than their own view: unrolled schedulers, and values and powers on one trunk, beside rules."""

from hetgraph.trainers.iot.task import TASK
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.iot_tables import STRONG, judged, scenario_of
from hetgraph.trainers.reproduce.section import Section
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.reproduce.trainings import D, M, options

SMALL = "iot-noma:users=20,small_cells=3,subchannels=10,load=4"
OWN, PRICED, MEAN = "unrolled", "unrolled, prices of neighbours", "unrolled, no attention"
CHANGES = {OWN: (), PRICED: options(M, prices=True), MEAN: options(M, attention=False)}
TRUNK, TRUNK_PRICED = "values and powers on one trunk", "one trunk, prices of neighbours"
TRUNKS = {TRUNK: (), TRUNK_PRICED: options(M, prices=True)}  # on small networks alone
# With what users measured of interference over the last slots, on small networks: run and options. Gradients of three times the
# networks are less noisy, and so is the choice of the checkpoint among three times as many of twice the slots.
WITH = "filtered interference"
MANY = options(D, num_envs=36, val_envs=24, eval_slots=200)
FILTERED = {
    f"{OWN}, {WITH}": ("unrolled-filtered", options(M, filtered=True)),
    f"{OWN}, {WITH}, 36 networks a step": ("unrolled-filtered-many", (*options(M, filtered=True), *MANY)),
    f"{PRICED}, {WITH}": ("unrolled-prices-filtered", options(M, prices=True, filtered=True)),
    f"{PRICED}, {WITH}, 36 networks a step": (
        "unrolled-prices-filtered-many",
        (*options(M, prices=True, filtered=True), *MANY),
    ),
}
SIZES = {"small": options(D, scenario=SMALL), "noma": ()}
ROWS = {"small": tuple(CHANGES), "noma": (OWN,)}  # of unrolled schedulers; a training on large networks takes minutes
# Where attention over interferers may have something to tell apart: many small cells, disturbed channels, neighbours who say prices.
DENSE = "iot-noma:users=40,small_cells=12,subchannels=8,load=3"
DISTURBED = f"{SMALL},disturbance_db=12"
SETTINGS = {
    "dense": ("dense small cells", DENSE, ()),
    "disturbed": ("disturbed by 12 dB", DISTURBED, ()),
    "priced": ("with prices of neighbours", SMALL, options(M, prices=True)),
}
ATTENTION = {"attention": (), "their mean": options(M, attention=False)}  # over the stations that a user hears
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


def attention_run(setting: str, row: str) -> str:
    """Run of a row in a setting."""
    if (setting, row) == ("priced", "attention"):
        return run_of(PRICED, "small")
    return f"unrolled-{setting}{'' if row == 'attention' else '-mean'}"


def attention_runs() -> dict[str, tuple[str, ...]]:
    """Options of the runs of all settings, but for what the rows of :func:`own_view` have."""
    runs = {
        attention_run(name, row): (*options(D, scenario=scenario), *changes, *option)
        for name, (_, scenario, changes) in SETTINGS.items()
        for row, option in ATTENTION.items()
    }
    return {name: changes for name, changes in runs.items() if name != run_of(PRICED, "small")}


def attention(bench: Bench) -> Section:
    """Schedulers whose users weigh the stations that they hear, and those that take their mean, trained alike in each setting."""
    networks, slots, tables = bench.count(40, 2), bench.count(200, 8), []
    for setting, (title, scenario, _) in SETTINGS.items():
        learned = bench.learned({row: attention_run(setting, row) for row in ATTENTION}, "untrained")
        if not learned:
            continue
        methods = rules(TASK, STRONG, "own_view") | learned
        trial = judged(bench, scenario, methods, networks, slots)
        base = "attention" if len(learned) == len(ATTENTION) else STRONG
        beside = (
            Measure("throughput_bps", "ratio", base, ".3f", ".3f"),
            Measure("bit_per_j", "ratio", base, ".3f", ".3f"),
            Measure("qos_violation", "difference", base, "+.2f", ".2f"),
        )
        measures = (*(one for one in MEASURES if one.to != "own_view"), *(beside if base != STRONG else ()))
        tables.append(trial_table(trial, methods, f"{title}: {scenario}", measures))
    note = "Rows differ in attention alone; where it helps, their mean is below 1 in throughput or bits per joule."
    return Section(tuple(tables), (note,), networks=f"{networks} networks each, {slots} slots")


def own_view(bench: Bench) -> Section:
    """Schedulers from nothing on each station's own view, and with S numbers from each neighbour, beside rules that know all."""
    networks, slots, tables = bench.count(40, 2), bench.count(200, 8), []
    for size, scenario in (("small", SMALL), ("noma", scenario_of(bench))):
        names = {row: run_of(row, size) for row in (*ROWS[size], *(TRUNKS if size == "small" else ()))}
        learned = bench.learned(names, "untrained")
        if not learned:  # rules alone have a section of their own
            continue
        methods = rules(TASK, *RULES) | untrained(bench, names[OWN]) | learned
        trial = judged(bench, scenario, methods, networks, slots)
        tables.append(trial_table(trial, methods, scenario, MEASURES))
    note = (
        "`own_view` is the first edition's rule without what others' users report, with numbers tuned for the small networks."
        " Kept promises are one less the violations; all others learn from nothing, unrolled ones by the gradient of rates of the"
        " present slot, those on one trunk by temporal differences of the paper's reward, and go to the station of least path loss."
    )
    return Section(tuple(tables), (note,), networks=f"{networks} networks each, {slots} slots")


def filtered(bench: Bench) -> Section:
    """What filtered interference adds to what stations know, beside the same methods without it."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    names = {row: run_of(row, "small") for row in (OWN, PRICED)} | {row: run for row, (run, _) in FILTERED.items()}
    learned = bench.learned(names, "untrained")
    methods = rules(TASK, *RULES) | learned
    trial = judged(bench, SMALL, methods, networks, slots)
    measures = [one for one in MEASURES if one.to != "own_view"]
    for row in (OWN, PRICED):  # without
        if row in learned:
            measures.append(Measure("throughput_bps", "ratio", row, ".3f", ".3f"))
            measures.append(Measure("bit_per_j", "ratio", row, ".3f", ".3f"))
            measures.append(Measure("qos_violation", "difference", row, "+.2f", ".2f"))
    note = (
        "Filtered: users report the interference of the last slots, as layer 3 filters measurements (3GPP TS 38.331, 5.5.3.2;"
        " coefficients 7 and 15), beside that of the slot before."
    )
    return Section(
        (trial_table(trial, methods, SMALL, tuple(measures)),), (note,), networks=f"{networks} networks, {slots} slots"
    )


def untrained(bench: Bench, run: str) -> Methods:
    """New weights of a run's networks."""
    members = bench.untrained(run)
    return {"untrained": Method(members, "untrained weights")} if members else {}
