"""Shipped weights and their cards, by name; :mod:`hetgraph.weights.shipped` finds them.

Nothing here imports torch, so that ``hetgraph models`` answers at once.
"""
