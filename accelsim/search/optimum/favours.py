"""What the innermost loops of a level favour: the tensor whose tile they leave, the axis along which an ifmap slides.

Every order of loops has a favour, so the least bound of all favours bounds them all (docs/optimum.md, "Bounds").
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.engine.nest.kernels.records import FILTER, IFMAP, PSUM
from accelsim.search.optimum.tables import SLIDING
from accelsim.search.space import GROUPS

M = 2
FAVOURS = (FILTER, PSUM, IFMAP)
IRRELEVANT = {FILTER: "NPQ", PSUM: "CRS", IFMAP: "M"}
PLANES = (SLIDING, SLIDING + 1)


@dataclass(frozen=True)
class Favour:
    """What the innermost loops of a level favour.

    tensor : whose tile they leave; axis : the group of the plane along which an ifmap slides. broad : of filter and
    psum, the loop of their own on that axis is innermost and the others of M and the axis follow: the ifmap slides
    through all of these; else their own loops follow, and it slides along the innermost.
    """

    tensor: int
    axis: int
    broad: bool = False

    @property
    def slides(self) -> str:
        """The field of an ifmap's factor along the axis."""
        return "slides" if self.broad else {FILTER: "slides_first", PSUM: "slides_second"}[self.tensor]

    @property
    def through(self) -> str:
        """The field where it slides at every level."""
        if self.broad or self.tensor == IFMAP:
            return "through_slides"
        return {FILTER: "through_first", PSUM: "through_second"}[self.tensor]

    @property
    def loops(self) -> str:
        """Loops that a level may have where all of them leave the tile, or let it slide."""
        dims = GROUPS[self.axis]
        if self.tensor == IFMAP:
            return "M" + "".join(dims)
        return dims[0 if self.tensor == FILTER else 1] if self.broad else IRRELEVANT[self.tensor]


def field(tensor: int, one: Favour, group: int, own: bool = True) -> str:
    """What bounds a group's factor (a field of `tables.Words`) where the loops right above the tile favour a tensor.

    own : by the child's tiles; else by those of the memory above, of which each brings what it holds once.
    """
    if tensor == IFMAP:
        if one.tensor == IFMAP:
            slides = group >= SLIDING and (group == one.axis or not own)
            return "runs" if group == M else "slides_m" if slides else "moves"
        return one.slides if group == one.axis else "moves"
    stays = tensor == one.tensor and (group == one.axis or not one.broad)
    return "runs" if stays else "moves"


def through_field(tensor: int, one: Favour, group: int) -> str:
    """The same where all loops right above leave the favoured tensor where it is."""
    if tensor == IFMAP:
        if one.tensor == IFMAP and group == M:
            return "through"
        return one.through if group == one.axis else "moves"
    if tensor == one.tensor and not one.broad:
        return "distinct"
    return "through" if tensor == one.tensor and group == one.axis else "moves"
