"""Training on single graphs: HetGNN."""
