"""The layer types, a file for each kind: keys in YAML, the shape each gives, and the problem it lowers to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from accelsim.workload.layer import LayerSpec
from accelsim.workload.ops.convolutions import Conv, Depthwise
from accelsim.workload.ops.explicit import Explicit
from accelsim.workload.ops.products import FullyConnected, Matmul
from accelsim.workload.ops.recurrent import Lstm
from accelsim.workload.ops.vector import Add, Elementwise, Norm, Pool, Softmax
from accelsim.workload.ops.views import Concat, Positions


def _tag(value: Any) -> str:
    if isinstance(value, LayerSpec):
        return str(getattr(value, "op", ""))
    return ("problem" if "problem" in value else str(value.get("op"))) if isinstance(value, dict) else ""


AnyLayer = Annotated[
    Annotated[Conv, Tag("conv")]
    | Annotated[Depthwise, Tag("depthwise")]
    | Annotated[FullyConnected, Tag("fc")]
    | Annotated[Matmul, Tag("matmul")]
    | Annotated[Lstm, Tag("lstm")]
    | Annotated[Pool, Tag("maxpool")]
    | Annotated[Pool, Tag("avgpool")]
    | Annotated[Add, Tag("add")]
    | Annotated[Elementwise, Tag("elementwise")]
    | Annotated[Softmax, Tag("softmax")]
    | Annotated[Norm, Tag("norm")]
    | Annotated[Concat, Tag("concat")]
    | Annotated[Positions, Tag("extend")]
    | Annotated[Positions, Tag("crop")]
    | Annotated[Explicit, Tag("problem")],
    Discriminator(_tag),
]
