"""Cost tables: what each layer of a search space costs on a machine, once, and what networks made of them cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import load_architecture
from accelsim.codesign.spaces.space import Space, load_space
from accelsim.energy.rows import grouped
from accelsim.errors import AccelsimError
from accelsim.sweep import sweep
from accelsim.sweep.record import Record
from accelsim.sweep.store import Store
from accelsim.workload.density import Densities
from accelsim.workload.network import INPUT, Layer, Network, Shape
from accelsim.workload.problem import LOOP_DIMS, Problem, Tensor, Width

if TYPE_CHECKING:
    from accelsim.sweep.run import Progress

QUANTITIES = ("cycles", "energy", "bytes")
"""What a table knows of a layer: core cycles; energy; bytes read and written at the outermost level."""
TENSORS = tuple(tensor.value for tensor in Tensor)
_PROBLEM: TypeAdapter[Problem] = TypeAdapter(Problem)
_DENSITY: TypeAdapter[Densities] = TypeAdapter(Densities)


class Key(NamedTuple):
    """What makes two layers one in a table: the problem, bits of words that it says, densities."""

    problem: Problem
    bits: tuple[tuple[str, int], ...]
    density: Densities

    @staticmethod
    def of(layer: Layer) -> Key:
        """Of a layer that multiplies."""
        assert layer.problem is not None
        return Key(layer.problem, tuple(sorted((str(name), bits) for name, bits in layer.bits.items())), layer.density)


@dataclass(frozen=True)
class Cost:
    """What one run of a layer, or a network, costs.

    cycles : core cycles. energy : exact, in the table's unit; tensors : of that, by data type. bytes : read and written
    at the outermost level, as wide as the machine's words are.
    """

    cycles: int
    energy: Fraction
    bytes: Fraction
    tensors: Mapping[str, Fraction]

    def value(self, quantity: str) -> Fraction:
        """One of `QUANTITIES`."""
        return Fraction(getattr(self, quantity))

    def __add__(self, other: Cost) -> Cost:
        tensors = {name: self.tensors[name] + other.tensors[name] for name in self.tensors}
        return Cost(self.cycles + other.cycles, self.energy + other.energy, self.bytes + other.bytes, tensors)

    def times(self, repeat: int) -> Cost:
        """Of so many runs."""
        tensors = {name: value * repeat for name, value in self.tensors.items()}
        return Cost(self.cycles * repeat, self.energy * repeat, self.bytes * repeat, tensors)


NOTHING = Cost(0, Fraction(0), Fraction(0), dict.fromkeys(TENSORS, Fraction(0)))


@dataclass(frozen=True)
class Entry:
    """A row of a table. name : of the layer that was first. error : why it cannot be mapped; then it has no cost."""

    name: str
    op: str
    cost: Cost
    mapping: str
    error: str = ""


@dataclass(frozen=True, repr=False)
class CostTable:
    """Costs of layers on one machine.

    made : machine, energy table and so on, by name and hash. entries : by what makes layers equal.
    """

    made: Mapping[str, str]
    entries: Mapping[Key, Entry]

    def __repr__(self) -> str:
        return f"CostTable({len(self.entries)} layers on {self.made['machine']})"

    def cost(self, layer: Layer) -> Cost:
        """Of one run of a layer that the table has. Raises AccelsimError for one it has not, or that does not fit."""
        found = self.entries.get(Key.of(layer))
        if found is None:
            raise AccelsimError(
                f"layer '{layer.name}': the table of '{self.made['machine']}' has none such ({_said(layer.problem)})"
            )
        if found.error:
            raise AccelsimError(f"layer '{layer.name}' on '{self.made['machine']}': {found.error}")
        return found.cost

    def total(self, network: Network) -> Cost:
        """Of all layers of a network that multiply: what `simulate` gives of it, exactly. Errors as of `cost`."""
        return self.sum(network.layers)

    def sum(self, layers: Iterable[Layer]) -> Cost:
        """Of some layers, those that multiply, with their repeats."""
        found = NOTHING
        for layer in layers:
            if layer.problem is not None:
                found += self.cost(layer).times(layer.repeat)
        return found

    def require(self, machine: str | Path | Architecture) -> None:
        """Raise AccelsimError where the table is of another machine, which is given by name, file or itself."""
        from accelsim.sweep.identity import sized_hash

        machine = machine if isinstance(machine, Architecture) else load_architecture(machine)
        if sized_hash(machine) != self.made["machine_sha256"]:
            raise AccelsimError(
                f"the table is of machine '{self.made['machine']}', which is not '{machine.name}' as it is now: "
                "make it again"
            )

    def rows(self) -> Iterator[dict[str, Any]]:
        """As a file has them."""
        for key, entry in self.entries.items():
            bounds = dict(zip(LOOP_DIMS, key.problem.bounds, strict=True))
            row: dict[str, Any] = {
                "layer": entry.name, "op": entry.op, **bounds, "macs": key.problem.macs,
                "cycles": entry.cost.cycles, "energy": float(entry.cost.energy), "bytes": float(entry.cost.bytes),
            }  # fmt: skip
            for name, value in entry.cost.tensors.items():
                row[f"energy_{name}"] = float(value)
            exact = [str(value) for value in (entry.cost.energy, entry.cost.bytes, *entry.cost.tensors.values())]
            yield row | {
                "mapping": entry.mapping, "error": entry.error, "exact": " ".join(exact),
                "problem": _PROBLEM.dump_json(key.problem).decode(), "bits": json.dumps(dict(key.bits)),
                "density": _DENSITY.dump_json(key.density).decode(), **self.made,
            }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write a .csv or .parquet file (extra `sweep`), whole. Raises AccelsimError where it cannot be."""
        from accelsim.sweep.export import export

        rows = list(self.rows())
        export(path, list(rows[0]), iter(rows))


def load_table(path: str | Path) -> CostTable:
    """Read what `CostTable.save` wrote. Raises AccelsimError, one line, for a file that is no such table."""
    from accelsim.sweep.export import load

    entries: dict[Key, Entry] = {}
    made: dict[str, str] = {}
    for row in load(path):
        try:
            problem = _PROBLEM.validate_json(row["problem"])
            bits = tuple(sorted((str(name), int(value)) for name, value in json.loads(row["bits"]).items()))
            exact = [Fraction(text) for text in str(row["exact"]).split()]
            tensors = dict(zip(TENSORS, exact[2:], strict=True))
            cost = Cost(int(row["cycles"]), exact[0], exact[1], tensors)
            entry = Entry(str(row["layer"]), str(row["op"]), cost, str(row["mapping"] or ""), str(row["error"] or ""))
            entries[Key(problem, bits, _DENSITY.validate_json(row["density"]))] = entry
            made = {name: str(row[name]) for name in MADE}
        except (KeyError, ValueError, IndexError) as error:
            what = f"no column {error}" if isinstance(error, KeyError) else str(error).split("\n")[0]
            raise AccelsimError(f"{path}: is no cost table: {what}") from None
    if not entries:
        raise AccelsimError(f"{path}: is no cost table: it has no row")
    return CostTable(made, entries)


MADE = ("machine", "machine_sha256", "energy_table", "energy_unit", "dataflow", "evaluator", "objective")
"""Columns that say what a table is of."""


def cost_table(
    architecture: str | Path | Architecture,
    layers: str | Path | Space | Network | Iterable[Layer],
    dataflow: str | None = None,
    *,
    batch: int = 1,
    store: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> CostTable:
    """Simulate every layer that differs once.

    Parameters
    ----------
    layers : a search space or its file, a network, or layers; those that do not multiply are left out.
    store, workers, executor, progress : as of `accelsim.sweep`; without a store nothing is kept.
    options : `evaluator`, `objective`, `energy`, `accounting`, `node`, `supply`, `seed` of `simulate`.

    Raises
    ------
    AccelsimError : what is asked for is wrong; nothing multiplies. A layer that does not fit is a row with its reason.
    """
    if isinstance(architecture, str | Path):
        load_architecture(architecture)  # is refused by its own name, not as a field of a sweep
    if isinstance(layers, str | Path):
        layers = load_space(layers)
    if isinstance(layers, Space):
        layers = layers.layers(batch)
    chosen: dict[Key, Layer] = {}
    for layer in layers.layers if isinstance(layers, Network) else layers:
        if layer.problem:
            chosen.setdefault(Key.of(layer), layer)
    if not chosen:
        raise AccelsimError("no layer multiplies: there is nothing to make a table of")
    alone = [_alone(layer, f"{number}: {layer.name}") for number, layer in enumerate(chosen.values(), 1)]
    with TemporaryDirectory(prefix="accelsim") as folder:
        place = store or Path(folder) / "costs.sweep"
        swept = sweep(
            {"name": "costs"}, arch=architecture, workload=alone, store=place, workers=workers, executor=executor,
            progress=progress, **({"dataflow": dataflow} if dataflow else {}), **options,
        )  # fmt: skip
        with Store(place, read_only=True) as kept:
            plan = kept.plan(swept.plan.identity)
            crashed = kept.crashes(plan.id)
            if crashed:
                raise AccelsimError(f"not evaluated: {crashed[0][2]}")
            return _gathered(architecture, chosen, kept, plan.id, {"dataflow": dataflow or "", **options})


def _gathered(
    architecture: str | Path | Architecture, chosen: Mapping[Key, Layer], store: Store, plan: int, options: Any
) -> CostTable:
    """The table of what a store has, in the order that was asked for."""
    from accelsim.energy.load import table_for
    from accelsim.simulate import load
    from accelsim.sweep.identity import sized_hash

    layers = list(chosen.values())
    machine, _ = load(architecture, _alone(layers[0], layers[0].name))
    table = table_for(machine, options.get("energy"), options.get("node"), options.get("supply"))
    entries: dict[Key, Entry] = {}
    for (key, layer), entry in zip(chosen.items(), store.entries(plan), strict=True):
        record = store.record(entry.layers[0]) if entry.layers else Record.failed(entry.point.error)
        entries[key] = Entry(
            layer.name, layer.op, _cost_of(record, machine, layer), record.mapping, " ".join(record.error.split())
        )
    made = (
        machine.name, sized_hash(machine), table.name, table.unit, options["dataflow"] or machine.dataflow or "",
        options.get("evaluator", "cycle"), options.get("objective", "energy"),
    )  # fmt: skip
    return CostTable(dict(zip(MADE, made, strict=True)), entries)


def _cost_of(record: Record, machine: Architecture, layer: Layer) -> Cost:
    if record.error:
        return NOTHING
    widths, outermost = with_bits(machine, layer.bits).moved_widths, machine.levels[0].name
    bits = sum(words * widths[Width(tensor)] for level, tensor, _, words in record.words if level == outermost)
    tensors = grouped(record.energy_rows, "tensor")
    by = {name: tensors.get(name, Fraction(0)) for name in TENSORS}
    return Cost(record.cycles, record.energy_exact, Fraction(bits, 8), by)


def _alone(layer: Layer, name: str) -> Network:
    """A network of one layer, that reads the input where the layer does: raw operands lie unencoded."""
    raw = INPUT in layer.inputs
    one = Layer(
        layer.name, layer.op, (INPUT,) if raw else (), layer.shape, layer.problem, density=layer.density,
        bits=layer.bits, spread=layer.spread,
    )  # fmt: skip
    assert layer.problem is not None
    return Network(name, (one,), Shape(1) if raw else None, layer.problem.bounds[0])


def _said(problem: Problem | None) -> str:
    assert problem is not None
    return " ".join(f"{dim}{size}" for dim, size in zip(LOOP_DIMS, problem.bounds, strict=True) if size > 1)
