"""Words on each link of a network whose children want different words (docs/model.md, T16).

The words a child wants are a product of lists, one per axis of its tensor. Words that the same children want are alike:
each axis is refined into *cells* of indices that lie in the same lists, and a product of cells is counted once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.jit import njit, part

OWN_AXIS, ROWS_AXIS, FOREIGN_AXIS = 0, 1, 2


class Children(NamedTuple):
    """The children of a network and what lies below them, the same for all transfers.

    kinds : int64[axis, 3], (kind, first dim, second dim). OWN_AXIS: indices of dim `first`; ROWS_AXIS: ifmap rows or
        columns under dims `first` and `second`; FOREIGN_AXIS: parts of a sum that are not added up, by tag.
    above : int64[instance, dim], offsets of the parents' networks. offsets : int64[child, dim], of the children, row by
        row; tags : int64[child, axis].
    inner : int64[axis, k, 3], numbers : int64[axis], (first, second, tag) offsets of what lies below a child.
    tile : int64[dim]. axes : int64[2, 4], see `Program`.
    """

    kinds: np.ndarray
    above: np.ndarray
    offsets: np.ndarray
    tags: np.ndarray
    inner: np.ndarray
    numbers: np.ndarray
    tile: np.ndarray
    axes: np.ndarray


class Links(NamedTuple):
    """Routes, see `architecture.routes`: first, root : int64[child]. onward : int64[link]."""

    first: np.ndarray
    onward: np.ndarray
    root: np.ndarray


class Transfer(NamedTuple):
    """Where one transfer lies. base, before, bounds : int64[dim]; before : one iteration earlier if it slides.

    clip : int64[2, 2], rows and columns of the plane that are sent (low, high).
    """

    base: np.ndarray
    before: np.ndarray
    bounds: np.ndarray
    clip: np.ndarray


class Loads(NamedTuple):
    """Words of one transfer. total : int64[link], over the instances above; busiest : int64[link], the most of one.

    entered : int64[port], psums by the port of the first child that takes part in each, the busiest instance.
    """

    total: np.ndarray
    busiest: np.ndarray
    entered: np.ndarray


class Cells(NamedTuple):
    """The axes of one instance, refined.

    lists : int64[axis, child, ..], indices each child wants, then the cells they lie in; counts : int64[axis, child].
    weight : int64[axis, cell], indices of a cell; cells : int64[axis], how many there are, one at least.
    here, there : int64[dim], `Transfer.base` and `before` of the instance. at : int64[axis].
    Scratch of one axis: mark : uint8[index], zeros; cell : int64[index], and by cell split_by, split_to, renamed.
    """

    lists: np.ndarray
    counts: np.ndarray
    weight: np.ndarray
    cells: np.ndarray
    here: np.ndarray
    there: np.ndarray
    at: np.ndarray
    mark: np.ndarray
    cell: np.ndarray
    split_by: np.ndarray
    split_to: np.ndarray
    renamed: np.ndarray


@njit(cache=True)
def link_loads(children, links, transfer, longest, span, loads):
    """Fill the words on every link for one transfer.

    longest : most indices of a child along an axis; span : indices along an axis lie below it.
    """
    n_axes, n_children = len(children.kinds), len(children.offsets)
    # every index that a child lists may open a cell
    most = n_children * longest + 2
    cells = Cells(
        np.empty((n_axes, n_children, longest), np.int64), np.empty((n_axes, n_children), np.int64),
        np.zeros((n_axes, span + 1), np.int64), np.ones(n_axes, np.int64), np.zeros(NDIMS, np.int64),
        np.zeros(NDIMS, np.int64), np.zeros(n_axes, np.int64), np.zeros(span, np.uint8), np.zeros(span, np.int64),
        np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64),
    )  # fmt: skip
    load, stamp = np.zeros(len(links.onward), np.int64), np.zeros(len(links.onward), np.int64)
    come = np.zeros(len(loads.entered), np.int64)
    loads.total[:] = 0
    loads.busiest[:] = 0
    loads.entered[:] = 0
    for instance in range(len(children.above)):
        if not _begin(instance, children, transfer, cells):
            continue
        for x in range(n_axes):
            _refine(x, children, transfer, cells)
        pairs = _pairs(cells)
        ids, who, words = np.empty(pairs, np.int64), np.empty(pairs, np.int64), np.empty(pairs, np.int64)
        _list_pairs(cells, ids, who, words)
        order = np.argsort(ids, kind="mergesort")
        load[:] = 0
        come[:] = 0
        stamp[:] = -1
        for i in range(pairs):
            k = order[i]
            if i == 0 or ids[k] != ids[order[i - 1]]:
                come[links.root[who[k]]] += words[k]
            link = links.first[who[k]]
            while link >= 0 and stamp[link] != ids[k]:
                stamp[link] = ids[k]
                load[link] += words[k]
                link = links.onward[link]
        for link in range(len(load)):
            loads.total[link] += load[link]
            loads.busiest[link] = max(loads.busiest[link], load[link])
        for port in range(len(come)):
            loads.entered[port] = max(loads.entered[port], come[port])


@part
def _begin(instance, children, transfer, cells):
    """Where the transfer lies below one instance above; False: past the problem."""
    inside = True
    for dim in range(NDIMS):
        cells.here[dim] = transfer.base[dim] + children.above[instance, dim]
        cells.there[dim] = transfer.before[dim] + children.above[instance, dim]
        inside = inside and cells.here[dim] < transfer.bounds[dim]
    return inside


@part
def _refine(x, children, transfer, cells):
    """List what every child wants along axis x, as cells."""
    cell, counts = cells.cell, cells.counts
    cell[:] = 0
    cells.split_by[0] = -1
    made = 1
    for child in range(len(children.offsets)):
        _want(x, child, children, transfer, cells)
        for i in range(counts[x, child]):
            value = cells.lists[x, child, i]
            old = cell[value]
            # the first index of a cell that this list holds opens a new one for all it holds of it
            if cells.split_by[old] != child:
                cells.split_by[old] = child
                cells.split_to[old] = made
                cells.split_by[made] = -1
                made += 1
            cell[value] = cells.split_to[old]
    for old in range(made):
        cells.renamed[old] = -1
    used = 0
    for value in range(len(cell)):
        old = cell[value]
        if old > 0:
            if cells.renamed[old] < 0:
                cells.renamed[old] = used
                cells.weight[x, used] = 0
                used += 1
            cells.weight[x, cells.renamed[old]] += 1
    for child in range(len(children.offsets)):
        distinct = 0
        for i in range(counts[x, child]):
            number = cells.renamed[cell[cells.lists[x, child, i]]]
            seen = False
            for j in range(distinct):
                seen = seen or cells.lists[x, child, j] == number
            if not seen:
                # behind what is still to be read: distinct <= i
                cells.lists[x, child, distinct] = number
                distinct += 1
        counts[x, child] = distinct
    cells.cells[x] = max(used, 1)


@part
def _want(x, child, children, transfer, cells):
    """Indices along axis x of what one child wants."""
    kind, first, tile, bounds = children.kinds[x, 0], children.kinds[x, 1], children.tile, transfer.bounds
    if kind == ROWS_AXIS:
        _want_rows(x, child, children, transfer, cells)
        return
    count = 0
    for i in range(children.numbers[x]):
        start = cells.here[first] + children.offsets[child, first] + children.inner[x, i, 0]
        if kind == FOREIGN_AXIS and start < bounds[first]:
            cells.lists[x, child, count] = children.tags[child, x] + children.inner[x, i, 2]
            count += 1
        elif kind == OWN_AXIS:
            for value in range(start, min(start + tile[first], bounds[first])):
                cells.lists[x, child, count] = value
                count += 1
    cells.counts[x, child] = count


@part
def _want_rows(x, child, children, transfer, cells):
    """The same of ifmap rows or columns, less what stays where the tile slides along them."""
    first, second = children.kinds[x, 1], children.kinds[x, 2]
    bounds, mark, inner = transfer.bounds, cells.mark, children.inner
    low, high = transfer.clip[first - 4, 0], transfer.clip[first - 4, 1]
    back_p, back_r = cells.here[first] - cells.there[first], cells.here[second] - cells.there[second]
    slides = back_p != 0 or back_r != 0
    stride, dilation = children.axes[first - 4, 0], children.axes[first - 4, 1]
    tall, deep = children.tile[first], children.tile[second]
    count = 0
    for i in range(children.numbers[x]):
        p = cells.here[first] + children.offsets[child, first] + inner[x, i, 0]
        r = cells.here[second] + children.offsets[child, second] + inner[x, i, 1]
        if p >= bounds[first] or r >= bounds[second]:
            continue
        if slides:
            # what this very child held stays with it; another one below may still miss it
            for a in range(p - back_p, min(p - back_p + tall, bounds[first])):
                for b in range(r - back_r, min(r - back_r + deep, bounds[second])):
                    mark[a * stride + b * dilation] |= 2
        for a in range(p, min(p + tall, bounds[first])):
            for b in range(r, min(r + deep, bounds[second])):
                h = a * stride + b * dilation
                if mark[h] == 0 and low <= h < high:
                    cells.lists[x, child, count] = h
                    count += 1
                    mark[h] = 1
        if slides:
            for a in range(p - back_p, min(p - back_p + tall, bounds[first])):
                for b in range(r - back_r, min(r - back_r + deep, bounds[second])):
                    mark[a * stride + b * dilation] &= 1
    for i in range(count):
        mark[cells.lists[x, child, i]] = 0
    cells.counts[x, child] = count


@part
def _pairs(cells):
    """How many (product of cells, child that wants it) there are."""
    pairs = 0
    for child in range(cells.counts.shape[1]):
        product = 1
        for x in range(len(cells.counts)):
            product *= cells.counts[x, child]
        pairs += product
    return pairs


@part
def _list_pairs(cells, ids, who, words):
    """List them: the product's number, the child, words of the product."""
    at, counts, k = cells.at, cells.counts, 0
    for child in range(counts.shape[1]):
        going = True
        for x in range(len(counts)):
            going = going and counts[x, child] > 0
        at[:] = 0
        while going:
            number, product = 0, 1
            for x in range(len(counts)):
                c = cells.lists[x, child, at[x]]
                number = number * cells.cells[x] + c
                product *= cells.weight[x, c]
            ids[k], who[k], words[k] = number, child, product
            k += 1
            x = len(counts) - 1
            while x >= 0:
                at[x] += 1
                if at[x] < counts[x, child]:
                    break
                at[x] = 0
                x -= 1
            going = x >= 0
