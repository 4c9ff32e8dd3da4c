"""What takes time besides words and MACs: around a layer, and where psums leave."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.specs import Count, Pipeline, Spec, key


class OverlapSpec(Spec):
    """Layers that do not need one another: the next loads while this one computes (docs/model.md, "Layers overlap")."""

    macs: Pipeline = key("From the last MAC of one layer to the first of the next.", 0, unit="core cycles")
    load: Pipeline = key("Between the loads of one and of the next.", 0, unit="core cycles")


class LayerSpec(Spec):
    """What a layer takes besides its transfers and steps."""

    before: Pipeline = key("Before anything begins.", 0, unit="core cycles")
    after: Pipeline = key("After the last word has arrived.", 0, unit="core cycles")
    overlap: OverlapSpec | None = key(
        "A layer that does not need this one's outputs loads while this one computes.", None, "layers do not overlap"
    )


class DeliverySpec(Spec):
    """Room for tiles of psums on their way out (docs/model.md, "Room before the last step")."""

    room: Count = key("What it holds, as the cycles it takes to leave.", unit="core cycles of drains")
    back: Pipeline = key("From when a word has left until its room is seen to be free.", 0, unit="core cycles")


@dataclass(frozen=True)
class Overlap:
    """Cycles between the MACs, and between the loads, of two layers that overlap."""

    macs: int
    load: int


@dataclass(frozen=True)
class Delivery:
    """Cycles of drains that have room, and cycles until room is seen to be free again."""

    room: int
    back: int = 0
