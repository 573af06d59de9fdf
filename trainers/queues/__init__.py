"""Training on packet queues: MAPPO."""
