"""Which tensors were looked at before, and whether they were written to since."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary


class VerifiedTensors:
    """Memory of checks that passed, by the identity and version of the tensors that they read; it keeps none of them alive."""

    def __init__(self) -> None:
        self._passed: Any = WeakIdKeyDictionary()

    def unchanged(self, tensors: Sequence[Tensor], terms: Mapping[str, int]) -> bool:
        """Whether these tensors, unwritten since, passed under the same terms; never of tensors that count no versions."""
        if any(tensor.is_inference() for tensor in tensors):
            return False
        for versions, others, known in self._passed.get(tensors[0], ()):
            if versions == [tensor._version for tensor in tensors] and known == terms:
                return all(other() is tensor for other, tensor in zip(others, tensors[1:], strict=True))
        return False

    def remember(self, tensors: Sequence[Tensor], terms: Mapping[str, int]) -> None:
        """Note that these tensors passed; what was noted of the first one under the same names is replaced."""
        if any(tensor.is_inference() for tensor in tensors):
            return
        entry = ([tensor._version for tensor in tensors], [weakref.ref(t) for t in tensors[1:]], dict(terms))
        rest = [old for old in self._passed.get(tensors[0], ()) if old[2].keys() != entry[2].keys()]
        self._passed[tensors[0]] = [*rest, entry]
