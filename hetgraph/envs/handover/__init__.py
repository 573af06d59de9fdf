"""Users that move and are handed over."""
