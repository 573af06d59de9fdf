"""Layers that the models share."""

from hetgraph.nn.channel_conv import ChannelConv
from hetgraph.nn.hetero_encoder import HeteroEncoder
from hetgraph.nn.mixer import MonotonicMixer
from hetgraph.nn.mount_conv import MountConv
from hetgraph.nn.neighbour_conv import NeighbourConv

__all__ = ["ChannelConv", "HeteroEncoder", "MonotonicMixer", "MountConv", "NeighbourConv"]
