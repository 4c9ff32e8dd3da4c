"""VALIDATION.md: every published or independent number that ships, beside ours."""

from __future__ import annotations

from pathlib import Path

from accelsim.report.files import write_text
from accelsim.reproduce import (
    accelforge_timeloop,
    albireo,
    carbon,
    chip,
    devices,
    devices_attention,
    dram,
    eie,
    envision,
    eyeriss_v2,
    fusion,
    isaac,
    isca16,
    isca16_sizes,
    kept,
    nn_dataflow,
    nvdla,
    nvdla_area,
    pixels,
    plans,
    process,
    rtl,
    scalesim,
    scnn,
    serving,
    spaces,
    stripes,
    tpu,
    watts,
    zigzag,
)

INTRODUCTION = """\
# Validation

Written by `accelsim reproduce`; the test suite runs it again and compares. *Theirs* is the number of the source, *ours*
what this simulator gives, *error* is ours against theirs. No constant is fitted to any of these numbers. The sources'
figures ship in `accelsim/reference/`, each file saying where they are from; tolerances are in `tests/validation/`.
"""


PEERS = (isca16, isca16_sizes, nn_dataflow, scalesim, zigzag, accelforge_timeloop, fusion, plans)
MACHINES = (chip, *PEERS, scnn, eyeriss_v2, eie, tpu, devices, devices_attention, nvdla)
CHIPS = (rtl, dram, process, nvdla_area, watts, isaac, albireo, envision, stripes)
SOURCES = (*MACHINES, *CHIPS, spaces, carbon, kept, pixels, serving)
"""In the order of their sections."""


def text() -> str:
    """The whole report; the same bytes every time."""
    return "\n".join([INTRODUCTION, *(source.section() for source in SOURCES)])


def main(path: str | Path = "VALIDATION.md") -> None:
    """Run everything that is validated and write the report."""
    write_text(Path(path), text())
