"""One slot: who is served by whom, and at which power."""
