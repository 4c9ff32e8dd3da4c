"""Spans of layers that run round by round, some images of the batch at a time (docs/between.md, R4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from accelsim.errors import nearest
from accelsim.mapping.plan.plan import Plan, Span
from accelsim.workload.network import VIEWS, Layer, Network

REST = " (last round)"
"""Behind the name of a layer in a round of fewer images."""


def bare(name: str) -> str:
    """The layer whose round a name is."""
    return name.removesuffix(REST)


def rounds(span: Span | None, batch: int) -> tuple[tuple[int, int], ...]:
    """(images, how many such rounds), of all rounds but the last, and of a last one of fewer images."""
    if span is None:
        return ((batch, 1),)
    times, rest = divmod(batch, span.batch_outer)
    return ((span.batch_outer, times), *(((rest, 1),) if rest else ()))


def runs_of(layer: Layer, span: Span | None, batch: int) -> tuple[Layer, ...]:
    """A layer that multiplies as its rounds run it: each problem with how often, under a name of its own."""
    if span is None or layer.problem is None:
        return (layer,)
    images, found = layer.problem["N"] // batch, []
    for k, (some, times) in enumerate(rounds(span, batch)):
        problem = replace(layer.problem, sizes=(images * some, *layer.problem.sizes[1:]))
        found.append(replace(layer, name=layer.name + REST * bool(k), problem=problem, repeat=times))
    return tuple(found)


def wrong_spans(plan: Plan, network: Network, index: Mapping[str, int]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What a plan says of spans that cannot be, each with its place in it."""
    taken: dict[str, int] = {}
    for k, span in enumerate(plan.spans):
        place = ("spans", k)
        unknown = [name for name in span.layers if name not in index]
        if unknown:
            names = [layer.name for layer in network.layers]
            why = f"network '{network.name}' has no layer '{unknown[0]}'{nearest(unknown[0], names)}"
            yield (*place, "layers"), why
            continue
        places = [index[name] for name in span.layers]
        between = [layer for layer in network.layers[places[0] : places[-1] + 1] if layer.name not in span.layers]
        apart = next((layer.name for layer in between if layer.op not in VIEWS), "")
        if places != sorted(places) or apart:
            first, last = span.layers[0], span.layers[-1]
            why = f"'{apart}' runs between '{first}' and '{last}'" if apart else "they are not in the order they run in"
            yield (*place, "layers"), why
            continue
        if span.batch_outer >= network.batch:
            why = f"{span.batch_outer} images at a time of a batch of {network.batch}; a round has fewer than all"
            yield (*place, "batch_outer"), why
        for name in span.layers:
            if taken.setdefault(name, k) != k:
                yield (*place, "layers"), f"'{name}' is in a span already"
            elif why := _why_whole(plan, network.layers[index[name]], network.batch):
                yield (*place, "layers"), f"'{name}' cannot run in rounds: {why}"


def _why_whole(plan: Plan, layer: Layer, batch: int) -> str:
    """Why a layer runs the whole batch at once; empty: it need not."""
    group = plan.group_of(layer.name)
    if group is not None:
        return f"it is in the group {group.name}, which takes one image after another"
    if layer.repeat > 1 or layer.once:
        return "it runs several times" if layer.repeat > 1 else "it is no part of an inference"
    if layer.problem is not None and layer.problem["N"] % batch:
        return "its problem knows no images"
    return ""
