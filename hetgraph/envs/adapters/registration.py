"""Names of the environments for ``gymnasium.make("hetgraph/Handover-v0")``."""

from hetgraph.extras import present

NAMES = {
    "Snapshot-v0": "SnapshotEnv",
    "Conflict-v0": "ConflictEnv",
    "Cellular-v0": "CellularEnv",
    "Arrival-v0": "ArrivalEnv",
    "Handover-v0": "HandoverEnv",
    "HandoverTraffic-v0": "HandoverTrafficEnv",
    "IoT-v0": "IoTEnv",
}


def register() -> None:
    """Register ``hetgraph/Snapshot-v0`` and so on, where Gymnasium is installed; ``import hetgraph.envs`` does it."""
    if not present("gymnasium"):
        return
    from gymnasium.envs.registration import register as add

    for name, environment in NAMES.items():
        add(
            id=f"hetgraph/{name}",
            entry_point="hetgraph.envs.adapters.gymnasium:make",
            vector_entry_point="hetgraph.envs.adapters.gymnasium:make_vector",
            kwargs={"environment": environment},
        )
