"""Tables written in the format that LLMServingSim reads, whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, reason, unshowable
from accelsim.serving.bundle import ATTENTION, KEYED, Bundle, Table
from accelsim.serving.models import Model
from accelsim.serving.skew import Skew
from accelsim.serving.skew_files import FILE, written
from accelsim.version import __version__
from accelsim.yamlfile import read

PLACES = 9
"""Significant digits of a time."""


def write_bundle(bundle: Bundle, out: str | Path, name: str | None = None) -> Path:
    """Write ``<out>/<name>/<org>/<model>/<variant>/tp<N>/`` and meta.yaml beside it; returns the folder ``tp<N>``.

    name : of the hardware. Raises AccelsimError: a place that is taken, or cannot be written.
    """
    hardware = name or bundle.hardware
    place = free_place(out, hardware, bundle.model, bundle.variant, bundle.degree)
    variant = place.parent
    try:
        variant.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=variant, prefix=".") as folder:
            temporary = Path(folder) / place.name
            temporary.mkdir()
            _tables(temporary, bundle.times, "", "time_us", bundle.keyed)
            if bundle.energies is not None:
                _tables(temporary, bundle.energies, "_energy", "energy_uj", bundle.keyed)
            fit = _skew(temporary, bundle, variant)
            meta = Path(folder) / "meta.yaml"
            degrees = sorted(
                {bundle.degree, *(int(one.name[2:]) for one in variant.glob("tp*") if one.name[2:].isdigit())}
            )
            meta.write_text(_meta(bundle, hardware, degrees, fit), encoding="utf-8")
            temporary.replace(place)
            shutil.move(meta, variant / "meta.yaml")
    except OSError as error:
        raise AccelsimError(f"{place}: {reason(error)}") from None
    return place


def free_place(out: str | Path, hardware: str, model: Model, variant: str, degree: int) -> Path:
    """Where a table goes. Raises AccelsimError: a name that no folder can have, a place that is taken."""
    if not hardware or "/" in hardware or hardware.startswith(".") or unshowable(hardware):
        raise AccelsimError(f"a table needs a name of its hardware that a folder may have, got '{hardware[:40]}'")
    place = Path(out) / hardware / model.names[0] / variant / f"tp{degree}"
    if place.exists():
        raise AccelsimError(f"{place}: exists; remove it first, or give another name")
    return place


def _tables(folder: Path, table: Table, suffix: str, column: str, keyed: bool) -> None:
    for name, axis, layers in (("dense", "tokens", table.dense), ("per_sequence", "sequences", table.sequences)):
        rows = ((layer, at, value) for layer, points in layers.items() for at, value in sorted(points.items()))
        _write(folder / f"{name}{suffix}.csv", ("layer", axis, column), rows)
    attention = ((*key, value) for key, value in sorted(table.attention.items()))
    names = [KEYED if keyed and name == "kv_prefill" else name for name in ATTENTION]
    _write(folder / f"attention{suffix}.csv", (*names, column), attention)


def _write(file: Path, header: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows((*row[:-1], f"{row[-1]:.{PLACES}g}") for row in rows)


def _skew(folder: Path, bundle: Bundle, variant: Path) -> dict[str, Any]:
    """Entries of `skew_fit` by number of devices, with those of tables that are there already."""
    found: dict[str, Any] = {}
    if (file := variant / "meta.yaml").is_file():
        data = read(file).data
        fit = data.get("skew_fit") if isinstance(data, dict) else None
        if isinstance(fit, dict) and fit.get("enabled", True):
            axes = {"bucket_axes": fit["bucket_axes"]} if "bucket_axes" in fit else {}
            found = {str(degree): axes | dict(entry) for degree, entry in (fit.get("per_tp") or {}).items()}
    if bundle.skews is not None or bundle.skew:
        entry, rows = written(Skew(bundle.skew) if bundle.skews is None else bundle.skews, bundle.degree)
        if rows:
            _write(folder / FILE, rows[0], rows[1:])
        found[str(bundle.degree)] = entry
    return found


def _meta(bundle: Bundle, hardware: str, degrees: list[int], fit: dict[str, Any]) -> str:
    lines = [
        f"# written by accelsim {__version__}: simulated, not measured",
        f"hardware: {hardware}",
        f"model: {bundle.model.names[0]}",
        f"variant: {bundle.variant}",
        f"tp_degrees: [{', '.join(map(str, degrees))}]",
        "engine_effective:",
        f"  max_num_batched_tokens: {bundle.budget}",
        f"  max_num_seqs: {bundle.max_seqs}",
    ]
    if bundle.energies is not None:
        lines += ["energy:", f"  standing_w: {bundle.standing:.9g}"]
    if fit:
        lines += ["skew_fit:", "  enabled: true", f"  per_tp: {json.dumps(fit)}"]
    return "\n".join(lines) + "\n"
