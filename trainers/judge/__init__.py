"""Statistics and columns of all comparisons."""
