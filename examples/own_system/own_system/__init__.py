"""A task of one's own: powers of stations whose users are given, by rules and by a small network."""
