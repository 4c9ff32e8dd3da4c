"""The layer types, a file for each kind: keys in YAML, the shape each gives, and the problem it lowers to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from accelsim.workload.layer import LayerSpec
from accelsim.workload.ops.convolutions import Conv, Conv1d, Conv3d, Depthwise
from accelsim.workload.ops.explicit import Explicit
from accelsim.workload.ops.moves import Combine, Embedding, Gather, PadPlane, Reduce, Resize, TopK
from accelsim.workload.ops.norms import BatchNorm, GroupNorm, Norm, RmsNorm, Rotary, Softmax
from accelsim.workload.ops.oriented import Hog
from accelsim.workload.ops.pools import Pool, Pool3d
from accelsim.workload.ops.products import Experts, FullyConnected, Matmul
from accelsim.workload.ops.recurrent import Gru, Lstm, Rnn
from accelsim.workload.ops.vector import Add, Elementwise, Gate, Vector
from accelsim.workload.ops.views import (
    Blocks,
    ChannelShuffle,
    Concat,
    Constant,
    Flatten,
    Positions,
    Reshape,
    Slice,
    Split,
    Transpose,
)


def _tag(value: Any) -> str:
    if isinstance(value, LayerSpec):
        return str(getattr(value, "op", ""))
    return ("problem" if "problem" in value else str(value.get("op"))) if isinstance(value, dict) else ""


AnyLayer = Annotated[
    Annotated[Conv, Tag("conv")]
    | Annotated[Conv1d, Tag("conv1d")]
    | Annotated[Conv3d, Tag("conv3d")]
    | Annotated[Depthwise, Tag("depthwise")]
    | Annotated[FullyConnected, Tag("fc")]
    | Annotated[Matmul, Tag("matmul")]
    | Annotated[Experts, Tag("experts")]
    | Annotated[Lstm, Tag("lstm")]
    | Annotated[Gru, Tag("gru")]
    | Annotated[Rnn, Tag("rnn")]
    | Annotated[Pool, Tag("maxpool")]
    | Annotated[Pool, Tag("avgpool")]
    | Annotated[Pool3d, Tag("maxpool3d")]
    | Annotated[Pool3d, Tag("avgpool3d")]
    | Annotated[Add, Tag("add")]
    | Annotated[Elementwise, Tag("elementwise")]
    | Annotated[Softmax, Tag("softmax")]
    | Annotated[Norm, Tag("norm")]
    | Annotated[Concat, Tag("concat")]
    | Annotated[Positions, Tag("extend")]
    | Annotated[Positions, Tag("crop")]
    | Annotated[Gate, Tag("gate")]
    | Annotated[Vector, Tag("vector")]
    | Annotated[RmsNorm, Tag("rmsnorm")]
    | Annotated[GroupNorm, Tag("groupnorm")]
    | Annotated[GroupNorm, Tag("instancenorm")]
    | Annotated[BatchNorm, Tag("batchnorm")]
    | Annotated[Rotary, Tag("rotary")]
    | Annotated[Resize, Tag("resize")]
    | Annotated[PadPlane, Tag("pad")]
    | Annotated[Gather, Tag("gather")]
    | Annotated[Embedding, Tag("embedding")]
    | Annotated[Reduce, Tag("reduce")]
    | Annotated[TopK, Tag("topk")]
    | Annotated[Combine, Tag("combine")]
    | Annotated[Hog, Tag("hog")]
    | Annotated[Slice, Tag("slice")]
    | Annotated[Split, Tag("split")]
    | Annotated[Reshape, Tag("reshape")]
    | Annotated[Flatten, Tag("flatten")]
    | Annotated[Transpose, Tag("transpose")]
    | Annotated[Blocks, Tag("depth_to_space")]
    | Annotated[Blocks, Tag("space_to_depth")]
    | Annotated[ChannelShuffle, Tag("channel_shuffle")]
    | Annotated[Constant, Tag("constant")]
    | Annotated[Explicit, Tag("problem")],
    Discriminator(_tag),
]
