"""Names that an architecture file chooses from and that the model has as plain text."""

from __future__ import annotations

from enum import StrEnum

from accelsim.workload.problem import DIMS, LOOP_DIMS, REDUCTION_DIMS


class Accumulate(StrEnum):
    """Where an old psum meets the new one."""

    ON_DRAIN = "on-drain"
    REFILL = "refill"


class Dim(StrEnum):
    """A loop: images, groups, output and input channels of a group, ofmap rows and columns, filter rows and columns.

    IB and WB are slices of an ifmap word and of a filter word, on a machine that cuts words into slices.
    """

    N = "N"
    G = "G"
    M = "M"
    C = "C"
    P = "P"
    Q = "Q"
    R = "R"
    S = "S"
    IB = "IB"
    WB = "WB"


class DataDim(StrEnum):
    """A dim of the words themselves, not of their slices."""

    N = "N"
    G = "G"
    M = "M"
    C = "C"
    P = "P"
    Q = "Q"
    R = "R"
    S = "S"


class Locked(StrEnum):
    """What a lock step is of."""

    COMPUTE = "compute"
    IFMAP = "ifmap"
    FILTER = "filter"
    PSUM = "psum"


class ReductionDim(StrEnum):
    """A dim whose psums are added up."""

    C = "C"
    R = "R"
    S = "S"
    IB = "IB"
    WB = "WB"


assert tuple(ReductionDim) == REDUCTION_DIMS
assert tuple(Dim) == LOOP_DIMS
assert tuple(DataDim) == DIMS
