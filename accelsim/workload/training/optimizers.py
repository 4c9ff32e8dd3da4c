"""How weights are updated, and what else a training step leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from accelsim.errors import AccelsimError, nearest
from accelsim.quantities import MOST_BITS
from accelsim.workload.ops.slide import Transposed


@dataclass(frozen=True)
class Optimizer:
    """What an update does to each weight.

    state : words kept for each weight beside it, read and written in every step. ops : vector operations for each.
    Raises AccelsimError for a number below 0.
    """

    name: str
    state: int
    ops: int
    source: str = ""

    def __post_init__(self) -> None:
        for what, value in (("state", self.state), ("ops", self.ops)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise AccelsimError(f"optimizer '{self.name}': {what} is {value}; it must be a whole number from 0 on")


OPTIMIZERS: dict[str, Optimizer] = {
    one.name: one
    for one in (
        # by the rate, subtract
        Optimizer("sgd", 0, 2, "H. Robbins and S. Monro, Ann. Math. Statist. 22, 1951"),
        # the velocity by its decay, plus the gradient; by the rate, subtract
        Optimizer("momentum", 1, 4, "I. Sutskever et al., ICML 2013, section 2; as frameworks have it"),
        # two means: 3 and 4; root, + epsilon, divide, by the rate of the step, subtract
        Optimizer("adam", 2, 12, "D. P. Kingma and J. Ba, ICLR 2015, Algorithm 1 in the order of section 2"),
    )
}


@dataclass(frozen=True)
class Training:
    """What a training step is to be.

    optimizer : its name, or one of your own. master_bits : of weights and state where they are kept in other words than
    the machine multiplies; 0: in the machine's. transposed : how gradients of inputs are carried out (docs/layers.md).
    vector_gradients : operations of the gradient of a layer that tells its words alone (op `vector`) for each operation
    of the layer; None: such a layer is refused.
    Raises AccelsimError, one line, for what is none of these.
    """

    optimizer: str | Optimizer = "sgd"
    master_bits: int = 0
    transposed: str = Transposed.INSERT.value
    vector_gradients: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer) and self.optimizer not in OPTIMIZERS:
            raise AccelsimError(f"unknown optimizer '{self.optimizer}'{nearest(str(self.optimizer), OPTIMIZERS)}")
        bits = self.master_bits
        if not isinstance(bits, int) or isinstance(bits, bool) or not 0 <= bits <= MOST_BITS:
            raise AccelsimError(f"master_bits is {bits}; it must be a whole number up to {MOST_BITS}, 0: the machine's")
        each = self.vector_gradients
        if each is not None and (not isinstance(each, int) or isinstance(each, bool) or each < 0):
            raise AccelsimError(f"vector_gradients is {each}; it must be a whole number from 0 on")
        ways = [way.value for way in Transposed]
        if self.transposed not in ways:
            raise AccelsimError(f"unknown way of gradients '{self.transposed}'{nearest(str(self.transposed), ways)}")

    @property
    def update(self) -> Optimizer:
        """How weights are updated."""
        return self.optimizer if isinstance(self.optimizer, Optimizer) else OPTIMIZERS[self.optimizer]

    @property
    def way(self) -> Transposed:
        """How gradients of inputs are carried out."""
        return Transposed(self.transposed)

    @staticmethod
    def of(asked: object) -> Training | None:
        """What a caller asks for: nothing, True, an optimizer's name, or what a `Training` takes, by name.

        Raises AccelsimError, one line, for anything else.
        """
        if asked is None or asked is False:
            return None
        if isinstance(asked, Training):
            return asked
        if asked is True:
            return Training()
        if isinstance(asked, str | Optimizer):
            return Training(asked)
        if isinstance(asked, Mapping):
            return replace(Training(), **_known(asked))
        raise AccelsimError(f"training: wanted True, an optimizer or a Training, got {type(asked).__name__}")


def _known(asked: Mapping[Any, Any]) -> dict[str, Any]:
    names = [field.name for field in fields(Training)]
    for name in asked:
        if name not in names:
            raise AccelsimError(f"training: unknown option '{name}'{nearest(str(name), names)}")
    return dict(asked)
