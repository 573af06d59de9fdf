"""Agents of IoT networks."""
