"""Training on handovers: QMIX."""
