"""Search spaces: the networks that choices are, and one line for each thing that is wrong in a file."""

from __future__ import annotations

import pytest

from accelsim.codesign.spaces.space import Space, load_space, space_of
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.network import Network

CHAIN = {
    "name": "chain",
    "source": "none",
    "input": {"C": 3, "H": 8, "W": 8},
    "operations": {
        "small": {"block": "conv", "set": {"kernel": 1, "pad": 0}},
        "large": {"block": "conv", "set": {"kernel": 3, "pad": 1}},
        "none": {},
        "rest": {"block": "conv", "set": {"kernel": 5, "pad": 2}, "same": "nothing"},
    },
    "layers": {
        "stem": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
        "b": {"choose": "all", "M": 8, "stride": 2, "times": 2},
        "c": {"choose": ["small", "none"], "M": 8},
        "sum": {"op": "add", "inputs": ["b", "c"]},
    },
    "blocks": {
        "conv": {
            "parameters": {"M": None, "stride": None, "kernel": None, "pad": None},
            "layers": {
                "a": {"op": "conv", "M": "$M", "kernel": "$kernel", "stride": "$stride", "pad": "$pad"},
                "output": {"op": "elementwise"},
            },
        },
    },
}
CELL = {
    **CHAIN,
    "operations": {
        "conv": {"block": "conv", "set": {"kernel": 3, "pad": 1}},
        "keep": {},
        "drop": {"drops": True},
    },
    "cells": {"cell": {"edges": [[0, 1], [0, 2], [1, 2]]}},
    "layers": {
        "stem": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
        "s": {"cell": "cell", "times": 2},
        "fc": {"op": "fc", "M": 10},
    },
    "blocks": {
        "conv": {
            "parameters": {"M": None, "kernel": None, "pad": None},
            "layers": {"output": {"op": "conv", "M": "$M", "kernel": "$kernel", "pad": "$pad"}},
        }
    },
}


def names(network: Network) -> dict[str, tuple[str, ...]]:
    """What each layer reads."""
    return {layer.name: layer.inputs for layer in network.layers}


def test_positions_and_what_may_stand_there() -> None:
    space = space_of(CHAIN)
    assert [(one.name, one.operations) for one in space.positions] == [
        # where the shape changes there is no standing aside, and nothing of `rest` is left out
        ("b_1", ("small", "large", "rest")),
        ("b_2", ("small", "large", "none", "rest")),
        ("c", ("small", "none")),
    ]
    assert space.size == 3 * 4 * 2


def test_a_chain_of_choices() -> None:
    space = space_of(CHAIN)
    network = space.network("large none small")
    assert names(network) == {
        "stem": ("input",), "b_1_a": ("stem",), "b_1": ("b_1_a",), "c_a": ("b_1",), "c": ("c_a",), "sum": ("b_1", "c"),
    }  # fmt: skip
    first = network.layers[1].problem
    assert first is not None
    assert first.bounds[:8] == (1, 1, 8, 4, 4, 4, 3, 3)
    # where the shape stays, nothing in place of `rest`; where it does not, its block
    assert list(names(space.network("rest rest none"))) == ["stem", "b_1_a", "b_1", "sum"]
    assert space.network(["rest", 3, 2]) == space.network("rest, rest, none")


def test_a_cell_is_a_sum_at_each_node() -> None:
    space = space_of(CELL)
    assert [one.name for one in space.positions] == ["e01", "e02", "e12"]
    assert space.positions[0].uses == ("s_1_e01", "s_2_e01")
    assert names(space.network("|conv~0|+|keep~0|conv~1|")) == {
        "stem": ("input",),
        "s_1_e01": ("stem",), "s_1_e12": ("s_1_e01",), "s_1_n2": ("stem", "s_1_e12"),
        "s_2_e01": ("s_1_n2",), "s_2_e12": ("s_2_e01",), "s_2_n2": ("s_1_n2", "s_2_e12"),
        "fc": ("s_2_n2",),
    }  # fmt: skip


def test_a_node_that_nothing_reaches_is_zeros_of_its_shape() -> None:
    network = space_of(CELL).network("drop drop conv")
    layer = {one.name: one for one in network.layers}
    assert layer["s_1_n1"].op == "constant"
    assert (layer["s_1_n1"].shape.C, layer["s_1_n1"].shape.H, layer["s_1_n1"].shape.W) == (4, 8, 8)
    assert layer["s_1_e12"].inputs == ("s_1_n1",)
    assert layer["fc"].inputs == ("s_2_e12",)


@pytest.mark.parametrize(
    ("space", "positions", "layers"),
    [("nasbench201", 6, 12), ("fbnet", 22, 126), ("proxylessnas", 21, 91), ("singlepath", 20, 72)],
)
def test_the_spaces_that_ship(space: str, positions: int, layers: int) -> None:
    found = load_space(space)
    assert len(found.positions) == positions
    assert len(found.layers()) == layers


def test_sizes_of_spaces() -> None:
    sizes = {name: load_space(name).size for name in ("nasbench201", "fbnet", "proxylessnas", "singlepath")}
    assert sizes == {"nasbench201": 5**6, "fbnet": 9**22, "proxylessnas": 7**15 * 6**6, "singlepath": 5**15 * 4**5}


def test_layers_at_a_position_are_those_that_its_choice_brings() -> None:
    space = load_space("nasbench201")
    network = space.network("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|")
    at = {one.name: [layer.name for layer in space.layers_at(one, network)] for one in space.positions}
    assert len(at["e01"]) == 15
    assert at["e02"] == []
    assert at["e13"][0] == "s1_1_e13"
    everywhere = [name for own in at.values() for name in own]
    assert len(everywhere) == len(set(everywhere))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("small", "chain: a choice has 3 operations, got 1"),
        ("none small small", "chain: 'none' may not stand at 'b_1' (large, rest, small)"),
        ("smal small small", "chain: 'smal' is no operation; did you mean 'small'?"),
        ([0, 9, 0], "chain: '9' is no operation (large, none, rest, small)"),
    ],
)
def test_choices_that_are_none(chosen: str | list[int], said: str) -> None:
    with pytest.raises(AccelsimError) as error:
        space_of(CHAIN).network(chosen)
    assert str(error.value).startswith(said)


def changed(**more: object) -> dict[str, object]:
    return {**CHAIN, **more}


def in_layers(**more: object) -> dict[str, object]:
    return changed(layers={**CHAIN["layers"], **more})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (in_layers(c={"choose": ["smal"], "M": 8}), "unknown operation 'smal'; did you mean 'small'?"),
        (in_layers(c={"choose": "all"}), "layers.c.M: missing"),
        (in_layers(c={"choose": "all", "M": 8, "times": 1001}), "layers.c.times: must be at most 1,000, got 1001"),
        (in_layers(c={"choose": "all", "M": 0}), "layers.c.M: must be at least 1, got 0"),
        (in_layers(d={"cell": "cel"}), "unknown cell 'cel'"),
        (in_layers(sum={"op": "add", "inputs": ["b", "d"]}), "unknown layer 'd'"),
        (changed(operations={"a": {"block": "cnv"}}), "operations.a.block: unknown block 'cnv'; did you mean 'conv'?"),
        (changed(operations={"a": {"block": "conv", "drops": True}}), "an edge that is left out has no block"),
        (changed(layers={"stem": {"op": "conv", "M": 4, "kernel": 3}}), "layers: nothing is chosen"),
        (in_layers(c={"choose": "none", "M": 16}), "nothing may stand at 'c'"),
        (changed(parameters={"size": 3}), "parameters.size: nothing uses $size"),
        ({**CELL, "cells": {"cell": {"edges": [[0, 1], [2, 1]]}}}, "2 to 1 leads back"),
        ({**CELL, "cells": {"cell": {"edges": [[0, 1], [3, 4]]}}}, "3 to 4 begins at node 3"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(data: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError) as error:
        space_of(data)
    assert said in str(error.value)
    assert "\n" not in str(error.value).strip() or len(error.value.issues) > 1


def test_errors_of_layers_have_their_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from accelsim.yamlfile import folder

    text = (folder("space") / "fbnet.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("head: {op: conv, M: $head, kernel: 1}", "head: {op: conv, M: $head, kernl: 1}"))
    with pytest.raises(SpecError) as error:
        load_space(file)
    line = next(n for n, one in enumerate(file.read_text().splitlines(), 1) if "kernl" in one)
    assert f"mine.yaml:{line}:" in str(error.value)
    assert "did you mean 'kernel'" in str(error.value)


def test_parameters_are_set_from_outside() -> None:
    small = load_space("nasbench201", {"size": 16, "classes": 120})
    assert small.reference.layers[-1].shape.C == 120
    with pytest.raises(SpecError, match="unknown parameter; did you mean 'size'"):
        load_space("nasbench201", {"sizes": 16})


def test_reprs() -> None:
    assert repr(load_space("fbnet")) == "Space(fbnet: 22 positions, 9.85e+20 networks)"
    assert isinstance(load_space("nasbench201"), Space)
