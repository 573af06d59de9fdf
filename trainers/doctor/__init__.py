"""What an installation can do, and what a file is: the parts of ``hetgraph doctor``."""
