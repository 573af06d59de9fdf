"""Shipped weights and their cards, by name; :mod:`hetgraph.models.shipped` finds them."""
