"""Entries of methods measured on the same networks, and the tables in which they are ranked."""
