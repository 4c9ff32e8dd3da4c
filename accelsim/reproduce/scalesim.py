"""Systolic arrays against SCALE-Sim 3.0.0, row by row: cycles and words between the SRAMs and the array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table
from accelsim.workload.lowering import Lowering, lowered
from accelsim.workload.problem import Problem, Tensor

DATAFLOWS = ("os", "ws", "is")
COLUMNS = ("cycles", "ifmap reads", "filter reads", "ofmap writes")
Numbers = tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """One layer on one array. theirs : in the order of `COLUMNS`, converted as the report says."""

    layer: str
    kind: str
    dataflow: str
    size: tuple[int, int]
    problem: Problem
    theirs: Numbers

    @staticmethod
    def of(row: Mapping[str, str]) -> Row:
        """From a line of the file."""
        number = {key: int(value) for key, value in row.items() if value.isdigit()}
        if row["kind"] == "gemm" or number["ceil_excess"]:
            problem = Problem.of({"M": number["gemm_N"], "C": number["gemm_K"], "Q": number["gemm_M"]})
        else:
            stride, taps = number["stride"], {"R": number["filt_h"], "S": number["filt_w"]}
            pixels = {
                dim: (number[plane] - taps[tap]) // stride + 1
                for dim, plane, tap in (("P", "ifmap_h", "R"), ("Q", "ifmap_w", "S"))
            }
            channels = {"M": number["num_filters"], "C": number["channels"]}
            problem = Problem.of({**channels, **taps, **pixels}, stride=(stride, stride))
        rows, columns = number["array_rows"], number["array_cols"]
        folds = -(-number["gemm_M"] // rows) * -(-number["gemm_N"] // columns)
        theirs = (
            number["total_cycles_reported"] - number["stall_cycles"] + 1,
            number["sram_ifmap_reads"],
            number["sram_filter_reads"],
            number["sram_ofmap_writes"] - (folds * (rows + columns) if row["dataflow"] == "os" else 0),
        )
        return Row(row["layer"], row["kind"], row["dataflow"], (rows, columns), problem, theirs)

    @cached_property
    def matmul(self) -> Problem:
        """What the array runs."""
        return lowered(self.problem, Lowering.IM2COL)

    @property
    def nest(self) -> LoopNest:
        """The one mapping SCALE-Sim knows."""
        return fold_nest(self.dataflow, self.matmul, *self.size)

    @property
    def machine(self) -> Architecture:
        """The array, with SRAMs that hold the operands of a fold: theirs need not, they are filled as it runs."""
        rows, columns = self.size
        longest = max(self.matmul[dim] for dim in "MCQ")
        room = {"sram": f"{longest * max(self.size)} B"}
        return load_architecture(f"systolic_{self.dataflow}", {"rows": rows, "cols": columns, **room})

    def ours(self, evaluator: str = "cycle") -> Numbers:
        """In the order of `COLUMNS`. DRAM takes no time."""
        return run(self.machine, self.nest, self.matmul, evaluator)


def run(machine: Architecture, nest: LoopNest, matmul: Problem, evaluator: str = "cycle") -> Numbers:
    """Processing cycles and SRAM words of one mapping, in the order of `COLUMNS`."""
    counts, timing = evaluate(machine, nest, matmul, evaluator)
    return timing.processing, *sram_words(counts)


def fold_nest(dataflow: str, matmul: Problem, rows: int, columns: int) -> LoopNest:
    """The folds of a matrix product (C, M, Q) on an array: what stays fills it, the third dim runs innermost.

    Samajdar et al., arXiv:1811.02883, section III: os keeps psums (Q on the rows, M on the columns), ws filters
    (C, M), is ifmaps (C, Q).
    """
    y, x, run = {"os": ("Q", "M", "C"), "ws": ("C", "M", "Q"), "is": ("C", "Q", "M")}[dataflow]
    outer = ("M", "Q") if dataflow == "os" else (y, x)
    size = {y: rows, x: columns}
    folds = " ".join(f"{dim}{-(-matmul[dim] // size[dim])}" for dim in outer)
    return LoopNest.parse(f"DRAM: {folds} | SRAM: {run}{matmul[run]} y {y}{rows} x {x}{columns}")


def sram_words(counts: Counts) -> tuple[int, int, int]:
    """Ifmap and filter words read for the array, psum words written by it."""
    words = {row[:3]: row[3] for row in counts.rows()}
    ifmap, weights, psum = ((Tensor.IFMAP, "read"), (Tensor.FILTER, "read"), (Tensor.PSUM, "update"))
    return words["SRAM", *ifmap], words["SRAM", *weights], words["SRAM", *psum]


@cache
def reference() -> tuple[Row, ...]:
    """All rows of the file."""
    return tuple(Row.of(row) for row in source.rows("scalesim"))


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about SCALE-Sim, as Markdown."""
    cells: dict[tuple[str, str], list[tuple[bool, ...]]] = {}
    for row in reference():
        equal = tuple(ours == theirs for ours, theirs in zip(row.ours(), row.theirs, strict=True))
        cells.setdefault((row.dataflow, f"{row.size[0]} x {row.size[1]}"), []).append(equal)
    order = sorted(cells, key=lambda key: (DATAFLOWS.index(key[0]), int(key[1].split()[0])))
    lines = [
        [f"{dataflow.upper()}, {size}", str(len(equal)), *(str(sum(column)) for column in zip(*equal, strict=True))]
        for dataflow, size in order
        for equal in [cells[dataflow, size]]
    ]
    everything = [equal for found in cells.values() for equal in found]
    lines.append(["all", str(len(everything)), *(str(sum(column)) for column in zip(*everything, strict=True))])
    return "\n".join([_HEAD, table(["rows that are equal", "rows", *COLUMNS], lines)])


_HEAD = """\
## SCALE-Sim

SCALE-Sim 3.0.0 on layers of AlexNet, ResNet-18, MobileNet and BERT, arrays of four sizes: its compute cycles, the words
its SRAMs send to the array, and those that come back. Ours are the shipped `systolic_os`, `systolic_ws` and
`systolic_is` under `lowering: im2col` with its folds as the mapping, by the cycle evaluator; DRAM takes no time. Fill,
skew and drain follow from T10 and T12 of docs/model.md. Its numbers are converted:

- *Cycles*: it reports the index of the last cycle, one less than their number, and DRAM stalls with them.
- *Ofmap writes*, OS: it counts (rows + columns) writes too many in each fold.
- Where the stride does not divide the plane, it takes one ofmap row and column more than a convolution has; those rows
  are run as the matrix product that it runs.

It writes back every partial sum of WS and IS and never reads one, so psum reads have no counterpart there. DRAM words
are not compared: it loads each ifmap word once and makes the windows on the chip, ours moves them as they are.
"""
