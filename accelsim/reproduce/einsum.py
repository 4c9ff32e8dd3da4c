"""A layer as a peer tool writes it, tensors over named dims, and the problem it is here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.workload.problem import TENSORS, Problem, Tensor

_WINDOW = re.compile(r"(?:(\d+)\*)?(\w+)\+(\w+)")
# which of ifmap, filter and psum a dim indexes says which dim it is
_ROLES = {
    (True, True, True): "G",
    (True, False, True): "N",
    (False, True, True): "M",
    (True, True, False): "C",
}


@dataclass(frozen=True)
class Einsum:
    """A layer under its peer's names.

    problem : what it is here. dims, tensors : our name for each of theirs.
    """

    problem: Problem
    dims: Mapping[str, str]
    tensors: Mapping[str, Tensor]

    @staticmethod
    def of(tensors: Mapping[str, str], sizes: Mapping[str, int]) -> Einsum:
        """``of({"I": "C P+R", "W": "K C R", "O": "K P"}, {"C": 2, ...})``: ifmap, filter, psum in this order.

        A window (`P+R`, strided `4*P+R`) is along the rows, a second one along the columns.
        """
        ifmap, filters, psum = (set(re.findall(r"[A-Za-z]\w*", text)) for text in tensors.values())
        windows = _WINDOW.findall(next(iter(tensors.values())))
        dims: dict[str, str] = {}
        for (_, output, tap), names in zip(windows, (("P", "R"), ("Q", "S")), strict=False):
            dims[output], dims[tap] = names
        for name in sizes:
            if name not in dims:
                dims[name] = _ROLES[name in ifmap, name in filters, name in psum]
        rows, columns, *_ = [*(int(stride or 1) for stride, _, _ in windows), 1, 1]
        problem = Problem.of({dims[name]: size for name, size in sizes.items()}, stride=(rows, columns))
        return Einsum(problem, dims, dict(zip(tensors, TENSORS, strict=True)))

    def loops(self, text: str) -> str:
        """Loops in their dims (`K2 OX14`) as text in ours (`M2 Q14`); other words stay."""
        return re.sub(r"\b([A-Z]+)(\d+)\b", lambda match: self.dims[match[1]] + match[2], text)
