"""Sweep files: what is varied, over which values, under which constraints, and what is wanted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from accelsim.specs import Count, Name, Natural, Spec, key, listed, pick
from accelsim.sweep.axes import RANGE

_RANGE = {
    "type": "object",
    "description": "A range, both ends in it: `step` adds, `times` multiplies, `count` is so many, evenly.",
    "properties": {name: {"type": ["number", "string"]} for name in RANGE},
    "required": ["from", "to"],
    "additionalProperties": False,
}
_LIST = {"type": "array", "items": {"type": ["string", "number", "null", "array", "object"]}, "minItems": 1}
Swept = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, _LIST, _RANGE], "unit": "none"}),
]
"""A value, a list of values, or a range ``{from: 8 KiB, to: 128 KiB, times: 2}``."""
_FLAGS = {"type": "array", "items": {"type": "boolean"}, "minItems": 1}
Flags = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "boolean"}, _FLAGS], "unit": "none"})]
"""Whether, or both."""
_STEP = {"anyOf": [{"type": "boolean"}, {"type": "string"}]}
_STEPS = {"type": "array", "items": {"anyOf": [*_STEP["anyOf"], {"type": "object"}]}, "minItems": 1}
Steps = Annotated[Any, WithJsonSchema({"anyOf": [*_STEP["anyOf"], _STEPS], "unit": "none"})]
"""Training steps: whether, an optimizer, or in a list a table of what `Training` takes."""


class Kind(StrEnum):
    """How points are drawn of the grid."""

    RANDOM = "random"
    LATIN_HYPERCUBE = "latin-hypercube"


class SampleSpec(Spec):
    """Some points of the grid instead of all."""

    kind: Annotated[Kind, BeforeValidator(pick("kind of sample", Kind))] = key(
        "`random`, points that differ, or `latin-hypercube`, which takes every value of a field equally often.",
        Kind.LATIN_HYPERCUBE,
    )
    points: Count = key("How many; of a hypercube equal ones are one.", unit="points")
    seed: Natural = key("Of what is drawn.", 0)


class Sampler(StrEnum):
    """How a search chooses the next designs."""

    TPE = "tpe"
    NSGA2 = "nsga2"


class SearchSpec(Spec):
    """A search for the designs that `objectives` do best, by Optuna (extra `sweep`), instead of the whole grid."""

    sampler: Annotated[Sampler, BeforeValidator(pick("sampler", Sampler))] = key(
        "`tpe`, tree-structured Parzen estimators, or `nsga2`, a genetic algorithm.", Sampler.TPE
    )
    trials: Count = key("Designs that are tried, those included that a constraint forbids.", unit="trials")
    at_once: Count = key(
        "Designs that are asked for before any of them is told, so what can run at the same time; another number gives "
        "other designs.",
        16,
        unit="trials",
    )
    seed: Natural = key("Of the sampler.", 0)
    storage: str | None = key(
        "URL of a database in which Optuna keeps the study too, for its own tools.", None, "the store has all trials"
    )


_PATHS = "Fields of the machine or the network, by path or declared parameter."


class SweepSpec(Spec):
    """A sweep: the grid that its fields span, the first one written moving slowest, or a sample or a search of it."""

    name: Name = key("What exports and pictures call it.", "sweep")
    arch: Swept = key("Machines: names, or files beside this one.", unit="none")
    workload: Swept = key("Networks: names, or files beside this one.", unit="none")
    dataflow: Swept = key("Dataflows; `best` is all mappings.", None, "the machine's own", "none")
    batch: Swept = key("Images at a time.", 1, unit="images")
    layers: str = key("Globs over layer names, with commas between them.", "*")
    evaluator: Swept = key("`cycle` or `analytical`.", "cycle", unit="none")
    objective: Swept = key(
        "What mappings are searched for: `energy`, `cycles`, `edp` or `ed2p`.", "energy", unit="none"
    )
    energy: Swept = key("Energy tables.", None, "the machine's own", "none")
    node: Swept = key("Energy tables of processes.", None, "`energy` says which", "nm")
    supply: Swept = key("Supplies of tables of a process.", None, "the table's", "V")
    accounting: Swept = key("Named ways to account energy.", None, "as the table says", "none")
    bits: Swept = key(
        "Widths of words, `ifmap=8,filter=4` or a table in a list.", None, "as the network and the machine say", "bits"
    )
    density: Swept = key(
        "Densities of every layer that multiplies: a share for ifmap and filter, or a table of `density:` in a list.",
        None,
        "as the network says",
        "share of words, 0 to 1",
    )
    training: Steps = key(
        "Whether the training step is run: `true`, an optimizer (`sgd`, `momentum`, `adam`), or in a list a table of "
        "`optimizer`, `master_bits`, `transposed` and `vector_gradients`.",
        False,
        unit="none",
    )
    budget: Swept = key("Time for a layer's proof; then the best so far.", None, "as long as it takes", "s")
    exact: Flags = key("`true`: a dataflow's mappings are searched to the end, with a certificate.", False, unit="none")
    imperfect: Flags = key("`true`: of `best`, factors that do not divide too.", False, unit="none")
    constraints: Swept = key(
        "What mappings are left out: files beside this one, or tables of what is in one, in a list; `null` is none.",
        None, "none", "none",
    )  # fmt: skip
    bound: Swept = key(
        "The most of what is no objective, `cycles<=1.2e6, DRAM words<=2e6`; several in a list vary; `null` is none.",
        None, "none", "none",
    )  # fmt: skip
    data: str | None = key("Operands: a directory or .npz, or `dense`.", None, "the densities that layers have")
    seed: Swept = key("Seeds of operands that are drawn.", 0, unit="none")
    set: dict[str, Swept] = key(_PATHS, {}, "nothing of them is varied", names="PATH")
    zip: Annotated[
        list[dict[str, Swept]], BeforeValidator(lambda value: [value] if isinstance(value, dict) else value)
    ] = key("Tables of fields that move together: their lists are equally long.", [], "every field moves by itself")
    sample: SampleSpec | None = key("Some points of the grid.", None, "all of them are run")
    where: Annotated[list[str], BeforeValidator(listed, json_schema_input_type=str | list[str])] = key(
        "Constraints that a point has to meet, such as `pes == 256` or `abs(area_mm2 - 2) < 0.1`.", [], "none"
    )
    objectives: Annotated[list[str], BeforeValidator(listed, json_schema_input_type=str | list[str])] = key(
        "Columns of the export that are to be small: a picture's axes, a search's aims.", ["energy", "cycles"]
    )
    search: SearchSpec | None = key("A search instead of the grid.", None, "the grid, or the sample, is run")


FIELDS = (
    "arch", "workload", "dataflow", "batch", "evaluator", "objective", "energy", "node", "supply", "accounting", "bits",
    "density", "training", "seed", "budget", "exact", "imperfect", "constraints", "bound",
)  # fmt: skip
"""Keys of a sweep file that are fields to vary; those in `set` are the others."""
