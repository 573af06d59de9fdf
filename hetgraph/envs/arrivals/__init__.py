"""Users that arrive and are associated for as long as they stay."""
