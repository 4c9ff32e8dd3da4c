"""The keys of a space file: a workload file in which some layers are chosen."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from accelsim.parameters import NO_PARAMETERS, PARAMETERS
from accelsim.specs import Count, Name, Names, Natural, PadPair, Spec, key, pick
from accelsim.workload.precision import BitsTable
from accelsim.workload.yaml import InputSpec


class Where(StrEnum):
    """What the shape has to do with an operation."""

    NOTHING = "nothing"
    REQUIRED = "required"


class OperationSpec(Spec):
    """What may stand at a position: a block, or nothing at all.

    A block gets what its position has, as far as it declares it: `C` channels arriving, `M` channels leaving, `stride`,
    and `same`, 1 where neither changes.
    """

    block: str | None = key("Name of the block.", None, "nothing: what reads the position reads what is before it")
    set: dict[str, Any] = key("Values of the block's other parameters.", {}, "as the block says", names="PARAMETER")
    same: Annotated[Where, BeforeValidator(pick("rule", Where))] | None = key(
        "Where stride is 1 and channels stay: `nothing` stands there instead; `required`, it may stand only there.",
        None,
        "shapes change nothing; without a block `required`",
    )
    drops: bool = key("In a cell: whether the edge is left out, with what would go over it.", False)


class ChooseSpec(Spec):
    """Positions in a row, at each of which one operation is chosen."""

    choose: Names = key("Operations that may stand there, or `all`.")
    M: Count = key("Channels that leave each.", unit="channels")
    stride: Count = key("Of the first; the others have 1.", 1, unit="words")
    times: Count = key("How many; of several the names end in `_1`, `_2` and so on.", 1, unit="positions")


class CellUseSpec(Spec):
    """Copies of a cell in a row; the same is chosen in all of them."""

    cell: str = key("Name of the cell.")
    times: Count = key("How many; the names end in `_1`, `_2` and so on.", 1, unit="cells")


class CellSpec(Spec):
    """A graph on each edge of which one operation is chosen; a node is the sum of what arrives."""

    choose: Names = key("Operations that may stand on an edge, or `all`.", ("all",))
    edges: Annotated[list[PadPair], Field(min_length=1)] = key(
        "From node to node: 0 is what the cell reads, the last what it gives; positions are `e01`, `e02` and so on."
    )


class CountingSpec(Spec):
    """How the source counts operations and parameters, beside MACs and filter words. Globs over layer names."""

    operations_of_outputs: Names = key("One operation for every word that these give (a bias).", (), "none")
    operations_of_inputs: Names = key("One operation for every word that these read (a mean).", (), "none")
    biases: Names = key("A parameter for each channel that these give.", (), "none")
    norms: Names = key("Two parameters for each channel that these give (a batch norm).", (), "none")
    more_parameters: Natural = key("Others.", 0, "none", unit="words")


class SpaceSpec(Spec):
    """A search space: a workload in which operations are chosen at some positions."""

    name: Name = key("What tables and errors call it.")
    source: str = key("Where it is from.", min_length=1)
    parameters: dict[str, Any] = key(PARAMETERS, {}, NO_PARAMETERS, names="PARAMETER")
    input: InputSpec = key("The network's input.")
    bits: BitsTable = key("Width of words, by tensor.", {}, "the machine's `word`", "bits")
    operations: dict[str, OperationSpec] = key("What may be chosen.", min_length=1, names="OPERATION")
    cells: dict[str, CellSpec] = key("Graphs that are used several times.", {}, "there are none", names="CELL")
    layers: dict[str, Any] = key(
        "The network: layers and uses of blocks as in a workload file, positions (`choose`) and cells (`cell`).",
        min_length=1, names="LAYER",
    )  # fmt: skip
    blocks: dict[str, Any] = key(
        "Layers that operations are made of, as in a workload file.", {}, "there are none", names="BLOCK"
    )
    counting: CountingSpec = key("How the source counts.", CountingSpec(), "MACs and filter words alone")
