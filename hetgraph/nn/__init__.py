"""Layers that the models share."""

from hetgraph.nn.mixer import MonotonicMixer

__all__ = ["MonotonicMixer"]
