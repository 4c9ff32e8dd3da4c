"""One colour for each level, tensor and cause, and a hatch where colours look alike in grey."""

from __future__ import annotations

from itertools import product

from accelsim.engine.timing.streams import OTHERS
from accelsim.report import palette
from accelsim.report.html import paints
from accelsim.workload.problem import TENSORS


def test_a_level_has_one_colour_in_every_picture():
    levels = ("DRAM", "GLB", "FILTER_BANK", "RF")
    few = palette.colours(["DRAM", "GLB", "RF", "MAC"], ("DRAM", "GLB", "RF"))
    many = palette.colours(["DRAM", "GLB", "FILTER_BANK", "RF", "network", "MAC"], levels)
    assert few.items() <= many.items()
    assert len(set(many.values())) == len(many)
    deep = tuple(f"L{index}" for index in range(12))
    networks = [f"L{index} network" for index in range(3)]
    assert len(set(palette.colours([*deep, *networks, "MAC"], deep).values())) == 16


def test_the_colours_are_one_palette():
    assert {palette.OUTERMOST, palette.NETWORK, palette.INNERMOST, *palette.BETWEEN, palette.UNIT_COLOUR} == set(
        palette.COLOURS
    )
    assert palette.MAC_COLOUR not in palette.COLOURS


def grey(colour: str) -> float:
    """Luminance of an sRGB colour, 0 to 1 (IEC 61966-2-1)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_is_printed_in_grey_is_told_apart():
    """Two colours with the same hatch differ in grey by a tenth of all there is."""
    plain = [palette.printed((colour, "")) for colour in (*palette.COLOURS, palette.MAC_COLOUR)]
    for one, other in product(plain, plain):
        if one is not other and one[1] == other[1]:
            assert abs(grey(one[0]) - grey(other[0])) > 0.1


def test_a_hatch_in_print_keeps_paints_apart():
    every = list(product((*palette.COLOURS, palette.MAC_COLOUR), palette.HATCHES))
    assert len({palette.printed(paint) for paint in every}) == len(every)
    assert all(palette.printed(paint)[0] == paint[0] for paint in every)


def test_a_cause_has_one_colour_whatever_else_there_is():
    few = palette.of_causes(["drain", "GLB->RF psum"])
    every = palette.of_causes(["GLB->RF psum", "fill", *OTHERS, "DRAM->GLB ifmap"])
    assert few["drain"] == every["drain"]
    assert few["GLB->RF psum"][0] == every["GLB->RF psum"][0] == palette.PAINT[TENSORS[2]]
    assert len(set(every.values())) == len(every)
    assert tuple(OTHERS) == palette.CAUSES


def test_a_page_has_the_same_colours():
    assert paints.of_causes is palette.of_causes and paints.COMPUTE == palette.COMPUTE
