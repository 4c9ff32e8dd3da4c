"""Tables of layer times in the format that LLMServingSim reads (docs/serving.md), checked as they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, listing
from accelsim.serving.models import Model, model_of
from accelsim.serving.rows import columns_of, real, rows, whole, wrong
from accelsim.serving.skew import Skew
from accelsim.serving.skew_files import read_skew
from accelsim.yamlfile import read, shown

MOST_US = 1e9
MOST_TOKENS = 2**31
MOST_UJ = 1e15
MOST_W = 1e6
ATTENTION = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")
KEYED = "prefill_key"
"""In place of `kv_prefill`: of all new tokens of prompts, those before their piece and half of it, on average."""
ONLY = {"layer": "attention", "decode_q_len": "1"}
"""Rows of other kernels, and of decodes of several tokens, are passed over."""
PER_SEQUENCE = ("lm_head", "sampler")

Layers = Mapping[str, Mapping[int, float]]
"""Layer, then tokens or sequences, to its value."""
Attention = Mapping[tuple[int, float, int, int], float]
"""(chunk, tokens before it, decodes, their context) to its value; keyed: the mean key of its tokens in second place."""


@dataclass(frozen=True)
class Table:
    """Values of a model's layers on a device. dense : by tokens; sequences : by requests; attention : of one layer."""

    dense: Layers
    sequences: Layers
    attention: Attention


@dataclass(frozen=True, repr=False)
class Bundle:
    """What a folder ``tp<N>`` holds.

    times : us. energies : uJ, or None. standing : W while nothing runs, and beneath what runs. budget, max_seqs : what
    the table was made for, if it says. skew : of unequal contexts; skews : the same by kind of batch, if it says.
    degree : devices. keyed : prompts stand by their mean key in place of the tokens before them.
    """

    folder: Path
    model: Model
    degree: int
    times: Table
    energies: Table | None = None
    standing: float = 0.0
    budget: int | None = None
    max_seqs: int | None = None
    skew: float = 0.0
    hardware: str = ""
    variant: str = ""
    skews: Skew | None = None
    keyed: bool = False

    def __repr__(self) -> str:
        return f"Bundle({self.model.name} on {self.hardware or self.folder}, {self.degree} devices)"


def place_of(path: Path, degree: int = 1) -> Path:
    """The folder ``tp<degree>`` at or below a path. Raises AccelsimError: none, or several."""
    if (path / "dense.csv").is_file():
        if re.fullmatch(r"tp\d+", path.name) and path.name != f"tp{degree}":
            raise AccelsimError(f"{shown(path)}: a table of {path.name[2:]} devices, where {degree} are asked for")
        return path
    if not path.is_dir():
        raise AccelsimError(f"{shown(path)}: no such folder, and no machine of that name")
    found = sorted(file.parent for file in path.glob("**/dense.csv"))
    fitting = [one for one in found if one.name == f"tp{degree}"]
    if len(fitting) == 1:
        return fitting[0]
    names = listing([one.relative_to(path).as_posix() for one in (fitting or found)])
    if fitting:
        raise AccelsimError(f"{shown(path)}: several tables; name one ({names})")
    raise AccelsimError(
        f"{shown(path)}: no tp{degree}/dense.csv, for {degree} device(s) ({names or 'no table at all'})"
    )


def read_bundle(path: str | Path, model: str | None = None, degree: int = 1) -> Bundle:
    """Read tables, and meta.yaml beside them if there is one.

    model : whose they are; default: what meta.yaml says.

    Raises
    ------
    AccelsimError : no tables, a layer of the model that is missing, a row that cannot be.
    """
    folder = place_of(Path(path), degree)
    meta = _meta(folder)
    name = model or str(meta.get("model", ""))
    if not name:
        raise AccelsimError(f"{shown(folder)}: no meta.yaml says which model this is of; give one (--model llama3_8b)")
    known = model_of(name)
    if (folder / "moe.csv").is_file():
        raise AccelsimError(f"{shown(folder / 'moe.csv')}: layers of experts are not modelled")
    engine = meta.get("engine_effective") or {}
    energies = None
    if (folder / "dense_energy.csv").is_file():
        energies = read_table(folder, known, "_energy", "energy_uj", MOST_UJ)
    standing, file = (meta.get("energy") or {}).get("standing_w", 0.0), _meta_file(folder)
    if not isinstance(standing, int | float) or not 0 <= standing <= MOST_W:
        raise AccelsimError(f"{shown(file)}: energy.standing_w must be from 0 to {MOST_W:g}, got {standing!r:.40}")
    skew = read_skew(meta.get("skew_fit"), file, degree)
    keyed = KEYED in columns_of(folder / "attention.csv")
    return Bundle(
        folder, known, degree, read_table(folder, known), energies, float(standing),
        _limit(engine, "max_num_batched_tokens", folder), _limit(engine, "max_num_seqs", folder),
        skew.default, str(meta.get("hardware", "")), str(meta.get("variant", "")),
        None if type(skew) is Skew else skew, keyed,
    )  # fmt: skip


def read_table(folder: Path, model: Model, suffix: str = "", column: str = "time_us", most: float = MOST_US) -> Table:
    """The three files of a folder. Raises SpecError for a row that cannot be, or a layer that is missing."""
    dense = _layers(folder / f"dense{suffix}.csv", "tokens", column, most)
    sequences = _layers(folder / f"per_sequence{suffix}.csv", "sequences", column, most)
    for found, wanted, file in ((dense, model.times(), "dense"), (sequences, PER_SEQUENCE, "per_sequence")):
        missing = [name for name in wanted if name not in found]
        if missing:
            wrong(
                folder / f"{file}{suffix}.csv", None, "layer",
                f"no rows of {', '.join(missing)}, which {model.name} has: it would count as nothing "
                f"({listing(sorted(found))})",
            )  # fmt: skip
    return Table(dense, sequences, _attention(folder / f"attention{suffix}.csv", column, most))


def _layers(file: Path, axis: str, column: str, most: float) -> Layers:
    found: dict[str, dict[int, float]] = {}
    for line, (layer, at, value) in rows(file, ("layer", axis, column)):
        own = found.setdefault(layer, {})
        place = whole(file, line, axis, at, 1, MOST_TOKENS)
        if place in own:
            wrong(file, line, axis, f"{layer} at {place} is given twice")
        own[place] = real(file, line, column, value, most)
    return found


def _attention(file: Path, column: str, most: float) -> Attention:
    found: dict[tuple[int, float, int, int], float] = {}
    there = columns_of(file)
    keyed, only = KEYED in there, [name for name in ONLY if name in there]
    names = [KEYED if keyed and name == "kv_prefill" else name for name in ATTENTION]
    for line, (*at, value) in rows(file, (*only, *names, column)):
        if any(text != ONLY[name] for name, text in zip(only, at, strict=False)):
            continue
        texts = dict(zip(names, at[len(only) :], strict=True))
        chunk, count, context = (
            whole(file, line, name, texts[name], 0, MOST_TOKENS) for name in ("prefill_chunk", "n_decode", "kv_decode")
        )
        text = texts[names[1]]
        past: float
        past = (
            real(file, line, KEYED, text, MOST_TOKENS) if keyed else whole(file, line, names[1], text, 0, MOST_TOKENS)
        )
        key = (chunk, past, count, context)
        if key in found:
            wrong(file, line, "prefill_chunk", f"{key} is given twice")
        found[key] = real(file, line, column, value, most)
    for index, name, what in ((0, "prefill_chunk", "prompts"), (2, "n_decode", "decodes")):
        if not any(key[index] for key in found):
            wrong(file, None, name, f"no row has any: the attention of {what} is missing")
    return found


def _meta_file(folder: Path) -> Path:
    return folder.parent / "meta.yaml" if folder.name.startswith("tp") else folder / "meta.yaml"


def _meta(folder: Path) -> Mapping[str, Any]:
    file = _meta_file(folder)
    if not file.is_file():
        return {}
    found = read(file).data
    if not isinstance(found, dict):
        wrong(file, 1, "", "should hold keys, such as 'model: meta-llama/Llama-3.1-8B'")
    return found


def _limit(engine: object, name: str, folder: Path) -> int | None:
    value = engine.get(name) if isinstance(engine, dict) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        raise AccelsimError(f"{shown(_meta_file(folder))}: engine_effective.{name} should be a whole number from 1")
    return value
