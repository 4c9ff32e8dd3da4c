"""A PE as its YAML file says it."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.architecture.choices import Locked
from accelsim.architecture.model import Level
from accelsim.architecture.pace import Bias, BiasSpec
from accelsim.architecture.pe import Lock, Sparsity
from accelsim.architecture.runs import RunRule, RunsSpec
from accelsim.architecture.spec import ArchitectureSpec, PeSpec
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Tensor, Width
from accelsim.yamlfile import Document, unknown


def lock_of(pe: PeSpec) -> Lock | None:
    """What its PEs do in lock step, if anything."""
    if pe.lock is None:
        return None
    tensors = frozenset(Tensor(part) for part in pe.lock.of if part != Locked.COMPUTE)
    return Lock(frozenset(str(dim) for dim in pe.lock.dims), tensors, Locked.COMPUTE in pe.lock.of)


def runs_of(document: Document, runs: RunsSpec | None, levels: Sequence[str]) -> RunRule | None:
    """How outputs are taken as runs of pixels, if they are; levels : the names of all, outermost first."""
    if runs and runs.level not in levels[1:]:
        document.refuse(("runs", "level"), unknown("level", runs.level, levels[1:]))
    try:
        return RunRule(runs.level, runs.length, runs.least) if runs else None
    except AccelsimError as error:
        document.refuse(("runs", "least"), str(error).removeprefix("runs: "))
        return None


def bias_of(document: Document, bias: BiasSpec | None, levels: Sequence[Level]) -> Bias | None:
    """Where the bias of a layer goes, if it is taken out of memory."""
    if bias is None:
        return None
    keepers = [level.name for level in levels[1:] if Tensor.PSUM in level.keeps]
    if bias.level not in keepers:
        document.refuse(("bias", "level"), unknown("level that keeps psums", bias.level, keepers))
    return Bias(bias.level, bias.word or 0)


def macs_of(document: Document, pe: PeSpec) -> int:
    """A Cartesian PE multiplies every word of one vector by every word of the other."""
    if not pe.cartesian:
        return pe.macs
    every = pe.cartesian.ifmaps * pe.cartesian.filters
    if "macs" in pe.model_fields_set and pe.macs != every:
        vectors = f"{pe.cartesian.ifmaps} x {pe.cartesian.filters}"
        document.refuse(("pe", "macs"), f"a Cartesian PE of {vectors} words has {every} MACs per cycle, not {pe.macs}")
    return every


def slices_of(document: Document, pe: PeSpec) -> dict[Tensor, int]:
    """Bits of a slice of each operand that is cut."""
    if Tensor.PSUM in pe.slices:
        document.refuse(("pe", "slices", "psum"), "a psum is no operand; allowed are ifmap and filter", key=True)
    return {tensor: pe.slices[tensor] for tensor in TENSORS if tensor in pe.slices}


def sparsity_of(document: Document, pe: PeSpec) -> Sparsity:
    """What it makes of zeros."""
    try:
        return Sparsity(frozenset(pe.gate), frozenset(pe.skip), pe.pairing, pe.drift, pe.queue)
    except AccelsimError as error:
        document.refuse(("pe",), str(error).removeprefix("pe: "), key=True)
        return Sparsity()


def check_words(document: Document, spec: ArchitectureSpec) -> None:
    """Refuse words that are missing, an ofmap wider than its psum, and a level that sums cannot leave."""
    for tensor in TENSORS:
        if Width(tensor) not in spec.word:
            document.refuse(("word", tensor.value), "missing")
    sums, ofmap = spec.word.get(Width.PSUM, 0), spec.word.get(Width.OFMAP, 0)
    if 0 < sums < ofmap:
        document.refuse(("word", "ofmap"), f"an ofmap of {ofmap} b is wider than its psum of {sums} b")
    inner = [level.name for level in spec.levels[1:]]
    if spec.narrow and spec.narrow not in inner:
        document.refuse(("narrow",), unknown("level that sums leave", spec.narrow, inner))
    if spec.narrow and not ofmap:
        document.refuse(("narrow",), "nothing is narrowed: give word an ofmap", key=True)
