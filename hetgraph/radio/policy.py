"""What decides: the policy protocol, one-shot policies, and how policies are found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Generator
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.plugins import plugin, plugin_names
from hetgraph.radio.allocation import Allocation

GROUP, SCHEDULERS, ASSOCIATIONS = "hetgraph.policies", "hetgraph.schedulers", "hetgraph.associations"
HANDOVERS, TRAFFIC, IOT = "hetgraph.handovers", "hetgraph.traffic_handovers", "hetgraph.iot"


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


def policy_names() -> list[str]:
    """Names of functions ``graph -> Allocation``, the entry-point group ``hetgraph.policies``."""
    return plugin_names(GROUP)


def scheduler_names() -> list[str]:
    """Names of policies that act slot by slot, the entry-point group ``hetgraph.schedulers``."""
    return plugin_names(SCHEDULERS)


def association_names() -> list[str]:
    """Names of policies that associate users one by one as they arrive, the entry-point group ``hetgraph.associations``."""
    return plugin_names(ASSOCIATIONS)


def handover_names() -> list[str]:
    """Names of policies that hand moving users over, the entry-point group ``hetgraph.handovers``."""
    return plugin_names(HANDOVERS)


def traffic_names() -> list[str]:
    """Names of policies that hand users with traffic over, the entry-point group ``hetgraph.traffic_handovers``."""
    return plugin_names(TRAFFIC)


def iot_names() -> list[str]:
    """Names of policies for IoT networks, the entry-point group ``hetgraph.iot``."""
    return plugin_names(IOT)


def handover_policy(name: str) -> Any:
    """Registered policy for handovers by name; a group of its own, for which ``random`` is another one than for slots.

    Raises:
        ValueError: an unknown name.
    """
    return plugin("policy", name, HANDOVERS)


def traffic_policy(name: str) -> Any:
    """Policy for handovers with traffic by name; ``cre`` and ``dual_price`` are other ones there.

    Raises:
        ValueError: an unknown name.
    """
    return plugin("policy", name, TRAFFIC)


def iot_policy(name: str) -> Any:
    """Policy for IoT networks by name; these yield a :class:`~hetgraph.radio.Schedule` and have names of their own.

    Raises:
        ValueError: an unknown name.
    """
    return plugin("policy", name, IOT)


def policy(name: str) -> Any:
    """Registered policy or scheduler by name: an object that follows :class:`Policy`; those of graphs can also be called.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> batch = preset("uma-5bs:users=20").sample(2, seed=1)
        >>> allocation = policy("max_rsrp")(batch)
        >>> allocation.serving.shape, allocation.power_w.shape  # [U] and [N, R]
        (torch.Size([40]), torch.Size([10, 51]))
    """
    loaded = plugin("policy", name, ASSOCIATIONS, SCHEDULERS, GROUP, others=", or the path of a checkpoint")
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
