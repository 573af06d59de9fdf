"""What decides: the policy protocol, one-shot policies, and how policies are found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation

GROUP, SCHEDULERS, ASSOCIATIONS = "hetgraph.policies", "hetgraph.schedulers", "hetgraph.associations"
HANDOVERS, IOT = "hetgraph.handovers", "hetgraph.iot"


A_co = TypeVar("A_co", covariant=True)


@runtime_checkable
class Policy(Protocol[A_co]):
    """Decides from an observation, and keeps its memory in a state of its own, never in the graph: rules, solvers, models.

    ``level`` declares what it may see: ``local``, ``neighbourhood``, ``global`` or ``genie`` (current gains).
    """

    level: Level

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory before the first decision."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[A_co, Any]:
        """Action for an observation, and the memory for the next one."""


@dataclass(frozen=True)
class OneShotPolicy:
    """A function from graph to allocation as a policy without memory.

    Args:
        name: short name, as in the tables.
        function: graph -> allocation.
        level: what it may see.
    """

    name: str
    function: Callable[[HeteroData], Allocation]
    level: Level = "genie"

    def __call__(self, graph: HeteroData) -> Allocation:
        """Allocation of a graph or batch."""
        return self.function(graph)

    def initial_state(self, obs: HeteroData) -> None:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: None, generator: Generator | None) -> tuple[Allocation, None]:
        """Allocation of the graph or batch; the state stays ``None``."""
        return self.function(obs), None


def registered_names(*groups: str) -> list[str]:
    """Names in entry-point groups, by this project or others."""
    return sorted({point.name for group in groups for point in entry_points(group=group)})


def registered(name: str, *groups: str, others: str = "") -> Any:
    """What an entry-point group has by a name; of a name in several groups that of the last one.

    Args:
        name: of the policy.
        groups: where it is looked for.
        others: what else is expected, for the error.

    Raises:
        ValueError: an unknown name.
    """
    points = {point.name: point for group in groups for point in entry_points(group=group)}
    if name not in points:
        raise ValueError(f"policy: got {name!r}, expected one of {', '.join(sorted(points))}{others}")
    return points[name].load()


def policy_names() -> list[str]:
    """Names of functions ``graph -> Allocation``, the entry-point group ``hetgraph.policies``."""
    return registered_names(GROUP)


def scheduler_names() -> list[str]:
    """Names of policies that act slot by slot, the entry-point group ``hetgraph.schedulers``."""
    return registered_names(SCHEDULERS)


def association_names() -> list[str]:
    """Names of policies that associate users one by one as they arrive, the entry-point group ``hetgraph.associations``."""
    return registered_names(ASSOCIATIONS)


def handover_names() -> list[str]:
    """Names of policies that hand moving users over, the entry-point group ``hetgraph.handovers``."""
    return registered_names(HANDOVERS)


def iot_names() -> list[str]:
    """Names of policies for IoT networks, the entry-point group ``hetgraph.iot``."""
    return registered_names(IOT)


def handover_policy(name: str) -> Any:
    """Registered policy for handovers by name; a group of its own, for which ``random`` is another one than for slots.

    Raises:
        ValueError: an unknown name.
    """
    return registered(name, HANDOVERS)


def iot_policy(name: str) -> Any:
    """Policy for IoT networks by name; these yield a :class:`~hetgraph.radio.Schedule` and have names of their own.

    Raises:
        ValueError: an unknown name.
    """
    return registered(name, IOT)


def policy(name: str) -> Any:
    """Registered policy or scheduler by name: an object that follows :class:`Policy`; those of graphs can also be called.

    Raises:
        ValueError: an unknown name.
    """
    loaded = registered(name, ASSOCIATIONS, SCHEDULERS, GROUP, others=", or the path of a checkpoint")
    return loaded if hasattr(loaded, "act") else OneShotPolicy(name, loaded)


def one_shot(name: str) -> OneShotPolicy:
    """Registered policy that is a function ``graph -> Allocation``, by name.

    Raises:
        ValueError: an unknown name, or a policy that acts slot by slot in an environment.
    """
    if name in (*scheduler_names(), *association_names()):
        raise ValueError(f"policy: got {name!r}, which acts in an environment, expected one for single graphs")
    result: OneShotPolicy = policy(name)
    return result
