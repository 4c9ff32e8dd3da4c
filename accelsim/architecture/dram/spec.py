"""What YAML may say of a DRAM: a preset, any value of it overridden; times in clocks of the DRAM or in ns."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.dram.model import STREAMING_MAP, Dram, Page
from accelsim.errors import AccelsimError
from accelsim.quantities import Quantity
from accelsim.specs import Count, Duration, Size, Spec, Word, key, pick, quantity, validate
from accelsim.yamlfile import Document, Place, read, unknown

PRESETS = Path(__file__).parent
NONE = "none"


def spelled(name: str) -> str:
    """A field as JEDEC spells it: ``t_rcd`` is ``tRCD``, ``t_ccd_l`` is ``tCCD_L``."""
    if name in ("cl", "cwl"):
        return name.upper()
    return f"t{name[2:].upper()}" if name.startswith("t_") else name


Clock = Annotated[
    Quantity,
    PlainValidator(quantities.clock),
    WithJsonSchema(quantity(quantities.CLOCK.shown, "1200 MHz", "3/2 per cycle")),
]


def _of_preset(text: str, unit: str = "") -> Any:
    return key(text, None, "that of the `preset`", unit)


def _time(text: str) -> Any:
    """A least distance in time; docs/model.md, "DRAM", has how they bind."""
    return _of_preset(text, "clocks of the DRAM, ps, ns, us; rounded up")


class DramSpec(Spec):
    """Banks and rows of the outermost level, with timings as JEDEC names them; it takes the place of a link."""

    model_config = ConfigDict(alias_generator=spelled)

    preset: str | None = key("Whose value is taken for what is not given here.", None, "every value has to be given")
    channels: Count = key("Channels, each with buses and banks of its own.", 1, unit="channels")
    page: Annotated[Page, BeforeValidator(pick("page policy", Page))] = key(
        "Whether a row stays open after an access, or is closed behind it.", Page.OPEN
    )
    order: str = key(
        "Parts of an address, most significant first: row Ro, bank Ba, bank group Bg, column Co, channel Ch.",
        STREAMING_MAP,
        alias="map",
    )
    queue: Count = key("Bursts the controller sees ahead: rows are opened that early.", 32, unit="bursts")
    clock: Clock | None = _of_preset("Clock of the DRAM; two beats of data go per cycle.")
    width: Word | None = _of_preset("Data bus of a channel.")
    burst: Count | None = _of_preset("Length of a burst.", "beats")
    banks: Count | None = _of_preset("Banks of a channel, in all groups.", "banks")
    groups: Count | None = _of_preset("Bank groups of a channel.", "groups")
    row: Size | None = _of_preset("What one activate opens in a channel, in bits or bytes.")
    cl: Duration | None = _time("Read to its first data.")
    cwl: Duration | None = _time("Write to its first data.")
    t_rcd: Duration | None = _time("Activate to a read or write of the row.")
    t_rp: Duration | None = _time("Precharge to activate of the bank.")
    t_ras: Duration | None = _time("Activate to precharge of the bank.")
    t_rrd_s: Duration | None = _time("Activate to activate of another group.")
    t_rrd_l: Duration | None = _time("Activate to activate of the same group.")
    t_faw: Duration | None = _time("Activate to the fourth after it in the channel.")
    t_ccd_s: Duration | None = _time("Read or write to the next of another group.")
    t_ccd_l: Duration | None = _time("Read or write to the next of the same group.")
    t_wr: Duration | None = _time("End of written data to precharge.")
    t_rtp: Duration | None = _time("Read to precharge.")
    t_wtr_s: Duration | None = _time("End of written data to a read of another group.")
    t_wtr_l: Duration | None = _time("End of written data to a read of the same group.")
    t_rtw: Duration | None = _time("Read to write in the channel.")
    t_refi: Duration | None = _time("From one refresh to the next; `0`: never.")
    t_rfc: Duration | None = _time("Refresh to activate.")


class PresetSpec(DramSpec):
    """A preset file: every value, and where it is from."""

    source: str = key("Where its values are from.", min_length=1)


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
