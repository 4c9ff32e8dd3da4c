"""Words on each link of a network whose children want different words (docs/model.md, T16).

The words a child wants are a product of lists, one per axis of its tensor. Words that the same children want are alike:
each axis is refined into *cells* of indices that lie in the same lists, and a product of cells is counted once.
"""

from __future__ import annotations

import numpy as np

from accelsim.engine.nest.kernels.groups import in_group
from accelsim.engine.nest.kernels.records import GROUP_DIMS, GROUPS, OWN
from accelsim.engine.nest.kernels.steps import next_step
from accelsim.jit import njit

WIDE = 5  # numbers of a key for each group: begin and begin before along its two dims, whether the plane clips it
OWN_AXIS, ROWS_AXIS, FOREIGN_AXIS = 0, 1, 2


@njit(cache=True)
def _indices(kind, first, second, base, before, shift, mark, inner, number, tile, size8, axis, low, high, tag, out):
    """Indices along one axis of what one child wants; returns how many.

    kind : OWN_AXIS, indices of dim `first`; ROWS_AXIS, ifmap rows or columns under dims `first` and `second`;
    FOREIGN_AXIS, parts of a sum that are not added up, by tag. shift : int64[8], of the child. inner : int64[k, 3],
    (first, second, tag) offsets of what lies below it. mark : uint8 scratch, zeros. low, high : rows beyond are left
    out. tag : of the child. before : as base, one iteration earlier, if it slides (else the same).
    """
    count = 0
    if kind == FOREIGN_AXIS:
        for i in range(number):
            if base[first] + shift[first] + inner[i, 0] < size8[first]:
                out[count] = tag + inner[i, 2]
                count += 1
        return count
    if kind == OWN_AXIS:
        for i in range(number):
            start = base[first] + shift[first] + inner[i, 0]
            for value in range(start, min(start + tile[first], size8[first])):
                out[count] = value
                count += 1
        return count
    slides = before[first] != base[first] or before[second] != base[second]
    for i in range(number):
        p, r = base[first] + shift[first] + inner[i, 0], base[second] + shift[second] + inner[i, 1]
        if p >= size8[first] or r >= size8[second]:
            continue
        if slides:
            # what this very child held stays with it; another one below may still miss it
            q, s = p - base[first] + before[first], r - base[second] + before[second]
            for a in range(q, min(q + tile[first], size8[first])):
                for b in range(s, min(s + tile[second], size8[second])):
                    mark[a * axis[0] + b * axis[1]] |= 2
        for a in range(p, min(p + tile[first], size8[first])):
            for b in range(r, min(r + tile[second], size8[second])):
                h = a * axis[0] + b * axis[1]
                if mark[h] == 0 and low <= h < high:
                    out[count] = h
                    count += 1
                    mark[h] = 1
        if slides:
            for a in range(q, min(q + tile[first], size8[first])):
                for b in range(s, min(s + tile[second], size8[second])):
                    mark[a * axis[0] + b * axis[1]] &= 1
    for i in range(count):
        mark[out[i]] = 0
    return count


@njit(cache=True)
def link_loads(
    axes8, base, before, clip, tile, size8, axes, above, places, tags, inner, numbers, longest, span, first_link,
    onward, root, total, busiest, entered,
):  # fmt: skip
    """Words on every link for one transfer.

    Parameters
    ----------
    axes8 : int64[axis, 3], (kind, first dim, second dim). base, before : int64[8]. clip : int64[2, 2], rows and
        columns of the plane that are moved (low, high). above : int64[instance, 8], offsets of the parents' meshes.
    places : int64[place, 8], offsets of the children, row by row; tags : int64[place, axis].
    inner : int64[axis, k, 3], numbers : int64[axis], see `_indices`.
    longest : most indices of a child along an axis; span : indices along an axis lie below it.
    first_link, root : int64[place], onward : int64[link], see `architecture.routes`.

    Fills
    -----
    total : int64[link], summed over the instances above. busiest : int64[link], the most of one of them.
    entered : int64[port], psums by the port of the first child that takes part in each, the busiest instance.
    """
    n_axes, n_places, n_links = axes8.shape[0], places.shape[0], onward.shape[0]
    lists = np.empty((n_axes, n_places, longest), np.int64)
    counts = np.empty((n_axes, n_places), np.int64)
    mark = np.zeros(span, np.uint8)
    cell = np.zeros(span, np.int64)
    split_by = np.zeros(span + 1, np.int64)
    split_to = np.zeros(span + 1, np.int64)
    renamed = np.zeros(span + 1, np.int64)
    weight = np.zeros((n_axes, span + 1), np.int64)
    cells = np.ones(n_axes, np.int64)
    here = np.zeros(8, np.int64)
    there = np.zeros(8, np.int64)
    load = np.zeros(n_links, np.int64)
    stamp = np.zeros(n_links, np.int64)
    come = np.zeros(entered.shape[0], np.int64)
    at = np.zeros(n_axes, np.int64)
    total[:] = 0
    busiest[:] = 0
    entered[:] = 0
    for instance in range(above.shape[0]):
        inside = True
        for dim in range(8):
            here[dim] = base[dim] + above[instance, dim]
            there[dim] = before[dim] + above[instance, dim]
            inside = inside and here[dim] < size8[dim]
        if not inside:
            continue
        for x in range(n_axes):
            kind, one, two = axes8[x, 0], axes8[x, 1], axes8[x, 2]
            plane = one - 4 if kind == ROWS_AXIS else 0
            cell[:] = 0
            split_by[:] = -1
            made = 1
            for place in range(n_places):
                n = _indices(
                    kind, one, two, here, there, places[place], mark, inner[x], numbers[x], tile, size8, axes[plane],
                    clip[plane, 0], clip[plane, 1], tags[place, x], lists[x, place],
                )  # fmt: skip
                counts[x, place] = n
                for i in range(n):
                    value = lists[x, place, i]
                    old = cell[value]
                    # the first index of a cell that this list holds opens a new one for all it holds of it
                    if split_by[old] != place:
                        split_by[old] = place
                        split_to[old] = made
                        made += 1
                        if made >= len(split_by):
                            split_by = _longer(split_by)
                            split_to = _longer(split_to)
                            renamed = _longer(renamed)
                    cell[value] = split_to[old]
            renamed[:made] = -1
            weight[x] = 0
            used = 0
            for value in range(span):
                old = cell[value]
                if old > 0:
                    if renamed[old] < 0:
                        renamed[old] = used
                        used += 1
                    weight[x, renamed[old]] += 1
            for place in range(n_places):
                distinct = 0
                for i in range(counts[x, place]):
                    number = renamed[cell[lists[x, place, i]]]
                    seen = False
                    for j in range(distinct):
                        seen = seen or lists[x, place, j] == number
                    if not seen:
                        # behind what is still to be read: distinct <= i
                        lists[x, place, distinct] = number
                        distinct += 1
                counts[x, place] = distinct
            cells[x] = max(used, 1)
        pairs = 0
        for place in range(n_places):
            product = 1
            for x in range(n_axes):
                product *= counts[x, place]
            pairs += product
        ids = np.empty(pairs, np.int64)
        who = np.empty(pairs, np.int64)
        words = np.empty(pairs, np.int64)
        k = 0
        for place in range(n_places):
            empty = False
            for x in range(n_axes):
                empty = empty or counts[x, place] == 0
            if empty:
                continue
            at[:] = 0
            going = True
            while going:
                number, product = 0, 1
                for x in range(n_axes):
                    c = lists[x, place, at[x]]
                    number = number * cells[x] + c
                    product *= weight[x, c]
                ids[k], who[k], words[k] = number, place, product
                k += 1
                x = n_axes - 1
                while x >= 0:
                    at[x] += 1
                    if at[x] < counts[x, place]:
                        break
                    at[x] = 0
                    x -= 1
                going = x >= 0
        order = np.argsort(ids, kind="mergesort")
        load[:] = 0
        come[:] = 0
        stamp[:] = -1
        for i in range(pairs):
            k = order[i]
            if i == 0 or ids[k] != ids[order[i - 1]]:
                come[root[who[k]]] += words[k]
            link = first_link[who[k]]
            while link >= 0 and stamp[link] != ids[k]:
                stamp[link] = ids[k]
                load[link] += words[k]
                link = onward[link]
        for link in range(n_links):
            total[link] += load[link]
            busiest[link] = max(busiest[link], load[link])
        for port in range(len(entered)):
            entered[port] = max(entered[port], come[port])


@njit(cache=True)
def _longer(array):
    """The same with room for as much again."""
    out = np.full(2 * len(array), -1, np.int64)
    out[: len(array)] = array
    return out


@njit(cache=True)
def _key_part(group, size8, span, hidden, axes, part):
    """Bring (now, before) of one group, part[:4], to what all equal transfers share; part[4]: clipped by the plane.

    span : int64[8], from the first to the last index of any child. A tile that nothing clips is like any other: it is
    moved to where the last such one lies.
    """
    clipped = False
    if hidden and group >= 4:
        axis = axes[group - 4]
        low, high = 0, 0
        for slot in range(2):
            dim = GROUP_DIMS[group, slot]
            low += axis[slot] * part[slot]
            high += axis[slot] * (min(part[slot] + span[dim], size8[dim]) - 1)
        clipped = low < axis[2] or high >= axis[2] + axis[3]
    part[4] = 1 if clipped else 0
    for slot in range(2):
        dim = GROUP_DIMS[group, slot]
        if dim >= 0 and not clipped:
            shift = max(size8[dim] - span[dim] - max(part[slot], part[2 + slot]), 0)
            part[slot] += shift
            part[2 + slot] += shift


@njit(cache=True)
def key_parts(group, now, before, size8, span, hidden, axes, out):
    """Fill out : int64[combination, 5], one group's part of keys, from bases int64[combination, 2] now and before."""
    for i in range(len(now)):
        for slot in range(2):
            out[i, slot] = now[i, slot]
            out[i, 2 + slot] = before[i, slot]
        _key_part(group, size8, span, hidden, axes, out[i])


@njit(cache=True)
def _look_up(table, keys, key):
    """Where in a hash table of rows of `keys` a key is, or is to be: len(table) is a power of two, -1 is free."""
    mix = 0
    for i in range(len(key)):
        mix = (mix * 1000003 + key[i]) & 0xFFFFFFFFFFFF
    at = mix & (len(table) - 1)
    while table[at] >= 0:
        same = True
        for i in range(len(key)):
            same = same and keys[table[at], i] == key[i]
        if same:
            break
        at = (at + 1) & (len(table) - 1)
    return at


@njit(cache=True)
def classify(loops, size8, tensor, child, slides, begin, span, hidden, axes, index):
    """Keys of the classes of a stream's versions, int64[class, 30].

    loops : int64[loop, 4], (dim, factor, step, level) of the steps. slides : sliding reuse, ifmap only.
    begin : int64[version], first steps. Fills index : int64[version], the class of each.
    """
    at, step_base = np.zeros(len(loops), np.int64), np.zeros(8, np.int64)
    base, before = np.zeros(8, np.int64), np.zeros(8, np.int64)
    key = np.zeros(WIDE * GROUPS, np.int64)
    keys = np.zeros((64, WIDE * GROUPS), np.int64)
    table = np.full(256, -1, np.int64)
    classes, v, k, going = 0, 0, 0, 0
    while v < len(begin) and going >= 0:
        if begin[v] == k:
            moved, slider = 0, -1
            if k > 0 and slides:
                for group in range(GROUPS):
                    gone = False
                    for dim in range(8):
                        gone = gone or (in_group(dim, group) and OWN[tensor, dim] == 1 and base[dim] != before[dim])
                    if gone:
                        moved += 1
                        slider = group
            for group in range(GROUPS):
                part = key[WIDE * group : WIDE * (group + 1)]
                part[:] = 0
                for slot in range(2):
                    dim = GROUP_DIMS[group, slot]
                    if dim >= 0:
                        part[slot] = base[dim]
                        part[2 + slot] = before[dim] if moved == 1 and slider == group >= 4 else base[dim]
                _key_part(group, size8, span, hidden, axes, part)
            found = _look_up(table, keys, key)
            if table[found] < 0:
                if classes == len(keys):
                    more = np.zeros((2 * len(keys), WIDE * GROUPS), np.int64)
                    more[:classes] = keys
                    keys = more
                keys[classes] = key
                table[found] = classes
                classes += 1
                if 2 * classes > len(table):
                    table = np.full(4 * len(table), -1, np.int64)
                    for c in range(classes):
                        table[_look_up(table, keys, keys[c])] = c
                    found = _look_up(table, keys, key)
            index[v] = table[found]
            v += 1
        before[:] = base
        k += 1
        going = next_step(loops, size8, at, step_base)
        base[:] = 0
        for i in range(len(loops)):
            if loops[i, 3] < child:
                base[loops[i, 0]] += at[i] * loops[i, 2]
    return keys[:classes]
