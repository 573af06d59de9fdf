"""Training on arriving users: GROWS."""
