"""What YAML may say of a DRAM: a preset, any value of it overridden; times in clocks of the DRAM or in ns."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.dram.model import STREAMING_MAP, Dram, Page
from accelsim.errors import AccelsimError
from accelsim.quantities import Quantity
from accelsim.specs import Count, Duration, Size, Spec, Word, pick, validate
from accelsim.yamlfile import Document, Place, read, unknown

PRESETS = Path(__file__).parent
NONE = "none"


def spelled(name: str) -> str:
    """A field as JEDEC spells it: ``t_rcd`` is ``tRCD``, ``t_ccd_l`` is ``tCCD_L``."""
    if name in ("cl", "cwl"):
        return name.upper()
    return f"t{name[2:].upper()}" if name.startswith("t_") else name


_CLOCK = {"type": "string", "description": "a clock, or so many per core cycle", "examples": ["1200 MHz"]}
Clock = Annotated[Quantity, PlainValidator(quantities.clock), WithJsonSchema(_CLOCK)]


class DramSpec(Spec):
    """Banks and rows of the outermost level; see `accelsim.architecture.dram.model.Dram`. It takes the place of a link.

    preset : what is not given here. map : parts of the address, most significant first (Ro Ba Bg Co Ch).
    """

    model_config = ConfigDict(alias_generator=spelled)

    preset: str | None = None
    channels: Count = 1
    page: Annotated[Page, BeforeValidator(pick("page policy", Page))] = Page.OPEN
    order: str = Field(STREAMING_MAP, alias="map")
    queue: Count = 32
    clock: Clock | None = None
    width: Word | None = None
    burst: Count | None = None
    banks: Count | None = None
    groups: Count | None = None
    row: Size | None = None
    cl: Duration | None = None
    cwl: Duration | None = None
    t_rcd: Duration | None = None
    t_rp: Duration | None = None
    t_ras: Duration | None = None
    t_rrd_s: Duration | None = None
    t_rrd_l: Duration | None = None
    t_faw: Duration | None = None
    t_ccd_s: Duration | None = None
    t_ccd_l: Duration | None = None
    t_wr: Duration | None = None
    t_rtp: Duration | None = None
    t_wtr_s: Duration | None = None
    t_wtr_l: Duration | None = None
    t_rtw: Duration | None = None
    t_refi: Duration | None = None
    t_rfc: Duration | None = None


class PresetSpec(DramSpec):
    """A preset file: every value, and where it is from."""

    source: str = Field(min_length=1)


def _named(value: object) -> object:
    """``dram: ddr4_2400`` stands for its preset, ``dram: none`` for no DRAM model."""
    if value == NONE:
        return None
    return {"preset": value} if isinstance(value, str) else value


DramEntry = Annotated[DramSpec | None, BeforeValidator(_named, json_schema_input_type=DramSpec | str | None)]


def presets() -> tuple[str, ...]:
    """Names of the built-in presets."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def preset(name: str) -> PresetSpec:
    """One of them."""
    return validate(read(PRESETS / f"{name}.yaml"), PresetSpec)


def dram_of(document: Document, place: Place, spec: DramSpec, core_hz: Fraction) -> Dram | None:
    """Build a DRAM; what is wrong with it is noted in the document, and None returned."""
    if spec.preset is not None and spec.preset not in presets():
        document.refuse((*place, "preset"), unknown("preset", spec.preset, presets()))
        return None
    base = preset(spec.preset) if spec.preset else None
    found: dict[str, Any] = {}
    for field in fields(Dram):
        if field.name == "hertz":
            continue
        value = getattr(spec, field.name)
        if value is None and base is not None:
            value = getattr(base, field.name)
        found[field.name] = value
    missing = [spelled(name) for name, value in found.items() if value is None]
    if missing:
        document.refuse(
            place, f"{', '.join(missing)} missing; give them, or a preset ({', '.join(presets())})", key=True
        )
        return None
    own = found["clock"].unit == "Hz"
    hertz = found["clock"].value if own else found["clock"].value * core_hz
    for name, value in found.items():
        if isinstance(value, Quantity) and name not in ("row", "clock"):
            found[name] = -(-value.value // 1) if value.unit == "cycles" else -(-value.value * hertz // 1)
    if found["row"].unit != "b":
        document.refuse((*place, "row"), "a row is given in bytes or bits")
        return None
    found |= {"clock": hertz / core_hz, "hertz": hertz if own else None, "row": int(found["row"].value)}
    try:
        return Dram(**found)
    except AccelsimError as error:
        document.refuse(place, str(error), key=True)
        return None
