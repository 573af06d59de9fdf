"""The papers again: what is trained, judged and written by ``hetgraph reproduce``."""
