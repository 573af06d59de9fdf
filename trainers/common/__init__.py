"""What the training of all tasks shares: replay, rollouts, checkpoints."""
