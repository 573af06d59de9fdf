"""Whether somebody looks into the steps of a layer, so that no path may go round them."""

from torch_geometric.nn import MessagePassing

_STEPS = ("propagate", "message", "aggregate", "message_and_aggregate", "edge_update")
_HOOKS = tuple(f"_{step}_forward_{when}" for step in _STEPS for when in ("hooks", "pre_hooks"))


def has_hooks(layer: MessagePassing) -> bool:
    """An explainer masks the layer's messages, or hooks of PyG are set on its steps."""
    return bool(layer.explain) or any(getattr(layer, hooks) for hooks in _HOOKS)
