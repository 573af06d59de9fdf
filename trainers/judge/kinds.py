"""What a row of a table is."""

from typing import Literal

# Weights that were never trained are what learning is measured against.
Kind = Literal["rule", "learned from nothing", "rule + learned", "paper's own constants", "untrained weights"]
