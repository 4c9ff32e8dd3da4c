"""The equations of the ISCA 2016 analysis, dataflow by dataflow: no nests, no counts, no search of ours.

Section VI of the paper prices an input at each level by how often it is read there, a sum by how often it is written
and read again. What follows writes those numbers down for each dataflow and tries every size of its tiles. A function
takes a group of a layer, rows and columns of PEs and words of buffer, and gives the least energy in MACs; `math.inf`
where nothing fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from math import inf
from typing import NamedTuple

from accelsim.workload.problem import Problem

MAC, FILE, HOP, BUFFER, DRAM = 1, 1, 2, 6, 200
"""Table IV of the paper, in MACs."""
FILE_WORDS = 256
"""Words of register file in a PE of the row-stationary machine: 512 B."""


class Layer(NamedTuple):
    """A group of a layer: sizes, and what both input tensors and the outputs hold. tall, wide : the stored plane."""

    n: int
    m: int
    c: int
    p: int
    q: int
    r: int
    s: int
    stride: int
    tall: int
    wide: int

    @property
    def macs(self) -> int:
        """Of all images."""
        return self.n * self.m * self.c * self.p * self.q * self.r * self.s

    @property
    def outputs(self) -> int:
        """Words of all images."""
        return self.n * self.m * self.p * self.q

    @property
    def weights(self) -> int:
        """Words."""
        return self.m * self.c * self.r * self.s

    def rows(self, outputs: int) -> int:
        """Rows of the ifmap that so many rows of outputs take."""
        return (outputs - 1) * self.stride + self.r

    def columns(self, outputs: int) -> int:
        """The same for columns."""
        return (outputs - 1) * self.stride + self.s


def layer_of(problem: Problem) -> Layer:
    """What the equations take of a problem; strides are equal and dilation is 1 in all of AlexNet."""
    n, _, m, c, p, q, r, s = problem.sizes
    tall, wide = problem.height + 2 * problem.pad[0], problem.width + 2 * problem.pad[1]
    return Layer(n, m, c, p, q, r, s, problem.stride[0], tall, wide)


def weight_stationary(of: Layer, rows: int, cols: int, words: int) -> float:
    """PEs hold the weights of some output and input channels.

    An ifmap word comes once for each group of output channels, straight from DRAM; sums of S and input channels are
    added on the way, those of rows and groups of input channels in the buffer, which has room for the sums of those
    output channels of all images.
    """
    least = inf
    for some in spans(of.m):
        for channels in spans(of.c) if some * of.n * of.p * of.q <= words else ():
            if of.r * of.s * some * channels > rows * cols:
                continue
            sums = of.outputs * of.r * parts(of.c, channels)
            plane = of.c * of.n * of.tall * of.wide
            inputs = DRAM * (plane * parts(of.m, some) + of.weights) + HOP * of.macs
            inputs += FILE * of.macs * (of.macs != of.weights)
            least = min(least, MAC * of.macs + inputs + _added_on_the_way(of, of.macs, sums))
    return least


def no_local_reuse(of: Layer, rows: int, cols: int, words: int) -> float:
    """Some input channels of some output channels are multiplied at a time, an ifmap word sent to PEs of all of these.

    Every weight comes out of the buffer for every MAC, without a hop. The buffer has room for a tile of sums of some
    rows of some images, and for what they take of a channel, or of all: then either input may stay.
    """
    at_work = min(
        BUFFER * (of.macs // of.m) * parts(of.m, some)
        + _added_on_the_way(of, of.macs, of.outputs * of.r * of.s * parts(of.c, channels))
        for some in spans(of.m)
        for channels in spans(of.c)
        if some * channels <= rows * cols
    )
    # a weight that is used once passes the buffer by
    at_work += BUFFER * of.macs * (of.macs != of.weights)
    return MAC * of.macs + HOP * of.macs + at_work + DRAM * min(_tiles(of, words), default=inf)


def _added_on_the_way(of: Layer, into: int, sums: int) -> int:
    """Sums from the adders of the array to DRAM: each output leaves once. into : words that the array adds."""
    return HOP * (into - sums) + 2 * BUFFER * (sums - of.outputs) + DRAM * of.outputs


def _tiles(of: Layer, words: int) -> Iterator[int]:
    """Words of both inputs that DRAM reads, for every tile of no local reuse that has room."""
    for rows in spans(of.p):
        tall = [of.rows(min(rows, of.p - first)) for first in range(0, of.p, rows)]
        every = of.n * of.c * of.wide * sum(tall)
        for images, some, channels in product(spans(of.n), spans(of.m), (1, of.c)):
            held = images * (some * rows * of.q + channels * tall[0] * of.wide) + some * channels * of.r * of.s
            if held > words:
                continue
            tiles, groups = len(tall) * parts(of.n, images), parts(of.m, some)
            yield every * groups + of.weights * tiles
            if channels == of.c:
                yield every + of.weights * (tiles if groups > 1 else 1)
                yield every * (groups if tiles > 1 else 1) + of.weights


# ---- output-stationary -----------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """Outputs whose sums are in the PEs at a time."""

    n: int
    m: int
    p: int
    q: int


def many_pixels(of: Layer, rows: int, cols: int) -> Iterator[Block]:
    """OSA: a rectangle of one channel of an image; in layers of one pixel, a row of images."""
    for p, q in product(spans(of.p), spans(of.q)):
        if p <= rows and q <= cols:
            yield Block(1, 1, p, q)
    if of.p * of.q == 1:
        yield from (Block(n, 1, 1, 1) for n in spans(of.n) if n <= cols)


def many_channels_and_pixels(of: Layer, rows: int, cols: int) -> Iterator[Block]:
    """OSB: a part of a row, of some channels and images."""
    for q, n in product(spans(of.q), spans(of.n)):
        for m in spans(of.m) if q * n <= rows * cols else ():
            if m * q * n <= rows * cols:
                yield Block(n, m, 1, q)


def many_channels(of: Layer, rows: int, cols: int) -> Iterator[Block]:
    """OSC: one pixel, of some channels and images."""
    for n in spans(of.n):
        yield from (Block(n, m, 1, 1) for m in spans(of.m) if m * n <= rows * cols)


BLOCKS = {"osa": many_pixels, "osb": many_channels_and_pixels, "osc": many_channels}


def output_stationary(of: Layer, blocks: Iterator[Block], words: int) -> float:
    """Sums stay in PEs until they are final; both inputs cross the array, and come out of the buffer, for every block.

    The buffer keeps the filters of some output channels, which DRAM reads once, while the ifmaps pass; beside them it
    has room for what the block at work takes of the ifmap, every channel. Each group of output channels is another
    pass of the ifmaps.
    """
    least = inf
    for block in blocks:
        room = (words - block.n * of.c * of.rows(block.p) * of.columns(block.q)) // _a_filter(of)
        if room >= block.m:
            filters, ifmap = _buffer_reads(of, block)
            from_dram = of.weights + _windows(of, block) * parts(of.m, room)
            least = min(least, BUFFER * (filters + ifmap) + DRAM * from_dram)
    return _in_the_array(of) + least


def output_stationary_either(of: Layer, blocks: Iterator[Block], words: int) -> float:
    """The same, but the ifmap may stay as well, or both inputs, rows of images as far as there is room.

    And an input that the buffer gives no reuse passes it by: it takes no room there and costs DRAM alone.
    """
    return _in_the_array(of) + min((cost for block in blocks for cost in _either(of, block, words)), default=inf)


def _in_the_array(of: Layer) -> int:
    return MAC * of.macs + 2 * HOP * of.macs + 2 * FILE * (of.macs - of.outputs) + DRAM * of.outputs


def _either(of: Layer, block: Block, words: int) -> Iterator[int]:
    """Both memories, for every tile in the buffer."""
    filters, ifmap = _buffer_reads(of, block)
    if block.m * _a_filter(of) <= words:
        yield BUFFER * filters + DRAM * (ifmap + of.weights)
    for rows, images in product(spans(of.p), spans(of.n)):
        band = images * of.c * of.rows(rows) * of.wide
        if rows < block.p or images < block.n or band > words:
            continue
        tiles, room = parts(of.p, rows) * parts(of.n, images), (words - band) // _a_filter(of)
        every = of.n * of.c * of.wide * (of.rows(rows) * parts(of.p, rows) - _short(of.p, rows) * of.stride)
        if filters == of.weights * tiles:
            yield BUFFER * ifmap + DRAM * (every + filters)
        if room >= block.m:
            groups, both = parts(of.m, room), BUFFER * (filters + ifmap)
            yield both + DRAM * (every * (groups if tiles > 1 else 1) + of.weights)
            yield both + DRAM * (every + of.weights * (tiles if groups > 1 else 1))


def _a_filter(of: Layer) -> int:
    return of.c * of.r * of.s


def _buffer_reads(of: Layer, block: Block) -> tuple[int, int]:
    """Words of filters and of the ifmap."""
    filters = of.weights * parts(of.p, block.p) * parts(of.q, block.q) * parts(of.n, block.n)
    return filters, _windows(of, block) * parts(of.m, block.m)


def _windows(of: Layer, block: Block) -> int:
    """Ifmap words that blocks take side by side, of one output channel: rows and columns that they share, twice."""
    tall = of.rows(block.p) * parts(of.p, block.p) - _short(of.p, block.p) * of.stride
    wide = of.columns(block.q) * parts(of.q, block.q) - _short(of.q, block.q) * of.stride
    return of.n * of.c * tall * wide


def _short(size: int, part: int) -> int:
    """What the last part lacks."""
    return parts(size, part) * part - size


# ---- row-stationary --------------------------------------------------------------------------------------------------


class Array(NamedTuple):
    """Shapes on the PEs. e : ofmap rows at a time. r, t : input and output channels side by side. p, q : in a PE."""

    e: int
    r: int
    t: int
    p: int
    q: int


def row_stationary(of: Layer, rows: int, cols: int, words: int) -> float:
    """A PE slides a filter row along an ifmap row, of q input and p output channels; sums go up R rows and r channels.

    The buffer has room for the sums of m output channels of e rows of n images until they are final, and for what they
    take of q r input channels, or of all; filters pass it by, or stay for those output channels.
    """
    least = inf
    for at in _arrays(of, rows, cols):
        kept = at.q * at.r
        groups, strips = parts(of.c, kept), parts(of.p, at.e)
        leaving, adding = of.outputs * groups * at.r * of.r, of.outputs * groups
        work = MAC * of.macs + 2 * FILE * of.macs + 2 * FILE * (of.macs - leaving)
        work += _added_on_the_way(of, leaving, adding)
        # an ifmap row goes to the PEs of every filter row, once for each p output channels
        work += HOP * of.n * of.wide * of.c * of.p * of.r * parts(of.m, at.p)
        ifmap = of.n * of.c * of.wide * (of.rows(at.e) * strips - _short(of.p, at.e) * of.stride)
        for images, some in product(divisors(of.n), divisors(of.m)):
            turns, blocks, passes = parts(of.n, images), parts(of.m, some), parts(of.m, some) * parts(some, at.p * at.t)
            loads = HOP * of.weights * of.p * turns
            for channels, stays in product((kept, of.c), (False, True)):
                held = images * (some * at.e * of.q + channels * of.rows(at.e) * of.wide)
                if held + stays * some * of.c * of.r * of.s > words:
                    continue
                alone = channels == of.c and (strips * turns == 1 if stays else True)
                reads = ifmap if alone else ifmap * blocks
                weights = of.weights if stays or blocks * groups == 1 else of.weights * turns * strips
                inner = BUFFER * of.weights * turns * strips if stays and turns * strips > 1 else 0
                inner += BUFFER * ifmap * passes if ifmap * passes != reads else 0
                least = min(least, work + loads + inner + DRAM * (reads + weights))
    return least


def _arrays(of: Layer, rows: int, cols: int) -> Iterator[Array]:
    """Shapes that fit: the widest strip of rows that all strips are as wide as, or all rows; divisors of channels."""
    for e in sorted({span(of.p, parts(of.p, cols)), of.p}):
        for r in range(1, min(of.c, rows // of.r) + 1):
            folds = range(1, rows // of.r + 1)
            t = max(
                (rows // (of.r * r * fold)) * (cols // span(e, fold)) if span(e, fold) <= cols else 0 for fold in folds
            )
            for p, q in product(divisors(of.m), divisors(of.c)) if t else ():
                if q * of.s * (1 + p) + p <= FILE_WORDS:
                    yield Array(e, r, t, p, q)


# ---- parts of a size -------------------------------------------------------------------------------------------------


def parts(size: int, part: int) -> int:
    """How many parts of at most so much."""
    return -(-size // part)


def span(size: int, count: int) -> int:
    """The largest of so many equal parts."""
    return -(-size // count)


@cache
def spans(size: int) -> list[int]:
    """Every size of a part that a different number of parts comes of."""
    return sorted({span(size, count) for count in range(1, size + 1)})


@cache
def divisors(size: int) -> list[int]:
    """Every part that divides a size."""
    return [part for part in range(1, size + 1) if size % part == 0]


Equation = Callable[[Layer, int, int, int], float]
"""Least energy in MACs of a group of a layer, for rows and columns of PEs and words of buffer."""


def _of_blocks(equation: Callable[[Layer, Iterator[Block], int], float], kind: str) -> Equation:
    return lambda of, rows, cols, words: equation(of, BLOCKS[kind](of, rows, cols), words)


EQUATIONS: dict[str, Equation] = {
    "rs": row_stationary,
    "ws": weight_stationary,
    **{kind: _of_blocks(output_stationary, kind) for kind in BLOCKS},
    "nlr": no_local_reuse,
}
EITHER: dict[str, Equation] = {kind: _of_blocks(output_stationary_either, kind) for kind in BLOCKS}
