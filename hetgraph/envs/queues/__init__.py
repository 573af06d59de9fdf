"""Queues of packets on conflict graphs and in cells."""
