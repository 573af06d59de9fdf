"""Trained policies as a service: graphs in, decisions out."""
