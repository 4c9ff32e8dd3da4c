"""In ZigZag's environment: one machine and layer under given mappings; argv: a JSON object. Prints a JSON object."""

import contextlib
import importlib.metadata
import json
import re
import sys
import time

from zigzag.cost_model.cost_model import CostModelEvaluation
from zigzag.datatypes import LayerDim, LayerOperand
from zigzag.mapping.data_movement import DataDirection, DataMoveAttr
from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
from zigzag.parser.accelerator_factory import AcceleratorFactory
from zigzag.parser.accelerator_validator import AcceleratorValidator
from zigzag.parser.mapping_validator import MappingValidator
from zigzag.parser.workload_factory import LayerNodeFactory
from zigzag.parser.workload_validator import WorkloadValidator
from zigzag.stages.mapping.spatial_mapping_conversion import SpatialMappingConversionStage

OPERANDS = {"I": "I1", "W": "I2", "O": "O"}
DIRECTIONS = {
    "rd_out_to_low": DataDirection.RD_OUT_TO_LOW,
    "wr_in_by_low": DataDirection.WR_IN_BY_LOW,
    "rd_out_to_high": DataDirection.RD_OUT_TO_HIGH,
    "wr_in_by_high": DataDirection.WR_IN_BY_HIGH,
}


def main():
    task = json.loads(sys.argv[1])
    case, orders = task["case"], task["orders"]
    with contextlib.redirect_stdout(sys.stderr):
        machine = accelerator(case)
        node = layer(case)
        node.spatial_mapping.initialize_oa_dims(machine.operational_array.dimension_sizes)
        stage = SpatialMappingConversionStage([lambda *_, **__: None], accelerator=machine, layer=node)
        spatial, whole = stage.convert_user_spatial_mapping(node.spatial_mapping)

        def evaluate(loops):
            mapping = TemporalMapping(loops, node, TemporalMappingType.UNEVEN)
            return CostModelEvaluation(
                accelerator=machine,
                layer=node,
                spatial_mapping=spatial,
                spatial_mapping_int=whole,
                temporal_mapping=mapping,
            )

        mappings = [temporal(case, pairs(order)) for order in orders]
        found = [moves(evaluate(mapping), case) for mapping in mappings]
        seconds = []
        for _ in range(task["repeats"]):
            start = time.perf_counter()
            for mapping in mappings:
                evaluate(mapping)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"version": importlib.metadata.version("zigzag-dse"), "seconds": seconds, "moves": found}))


def pairs(text):
    """`OX14 K2` as (dim, factor)."""
    return [(name, int(factor)) for name, factor in re.findall(r"([A-Z]+)(\d+)", text)]


def accelerator(case):
    memories = {}
    for name, memory in case["memories"].items():
        rates = memory["ports"]
        ports = []
        for kind, type_, directions in (
            ("both", "read_write", ("fh", "tl", "fl", "th")),
            ("read", "read", ("tl", "th")),
            ("write", "write", ("fh", "fl")),
        ):
            if kind not in rates:
                continue
            # only psums come from below and leave to above
            allocation = [
                f"{OPERANDS[operand]}, {way}"
                for operand in memory["keeps"]
                for way in directions
                if operand == "O" or way in ("fh", "tl")
            ]
            prefix = {"both": "rw", "read": "r", "write": "w"}[kind]
            ports.append(
                {
                    "name": f"{prefix}_port_1",
                    "type": type_,
                    "bandwidth_min": rates[kind],
                    "bandwidth_max": rates[kind],
                    "allocation": allocation,
                }
            )
        memories[name] = {
            "size": memory["size"],
            "r_cost": 1.0,
            "w_cost": 1.0,
            "area": 0.0,
            "latency": 1,
            "operands": [OPERANDS[operand] for operand in memory["keeps"]],
            "ports": ports,
            "served_dimensions": memory["spans"],
        }
    unrolled = {dim: pairs(loop)[0][1] for dim, loop in case["arrays"].items()}
    array = {"unit_energy": 1.0, "unit_area": 1.0, "dimensions": list(unrolled), "sizes": list(unrolled.values())}
    checked = AcceleratorValidator({"name": case["name"], "memories": memories, "operational_array": array})
    if not checked.validate():
        raise SystemExit("ZigZag refuses the machine")
    return AcceleratorFactory(checked.normalized_data).create()


def layer(case):
    indices, relations = {}, []
    for operand, text in case["tensors"].items():
        names = []
        for word in text.lower().split():
            if "+" in word:  # a window: its index is a dim of its own
                output, tap = word.split("+")
                word = "i" + output[-1]
                relations.append(f"{word}=1*{output}+1*{tap}")
            names.append(f"[{word}]")
        indices[operand] = "".join(names)
    data = {
        "id": 0,
        "name": "layer",
        "operator_type": "Conv" if relations else "Gemm",
        "equation": f"O{indices['O']}+=W{indices['W']}*I{indices['I']}",
        "dimension_relations": relations,
        "loop_dims": list(case["sizes"]),
        "loop_sizes": list(case["sizes"].values()),
        "operand_precision": {**case["bits"], "O_final": case["bits"]["O"]},
        "operand_source": {"I": 0, "W": 0},
    }
    spatial = {dim: [f"{name}, {factor}" for name, factor in pairs(loop)] for dim, loop in case["arrays"].items()}
    mapping = {"name": "default", "spatial_mapping": spatial, "memory_operand_links": OPERANDS, "temporal_ordering": []}
    checked = WorkloadValidator([data]), MappingValidator([mapping])
    if not all(one.validate() for one in checked):
        raise SystemExit("ZigZag refuses the layer")
    (normal,), mappings = (one.normalized_data for one in checked)
    return LayerNodeFactory(normal, mappings).create()


def own(case, operand):
    """The memories of an operand, innermost first."""
    return [(name, memory["inside"]) for name, memory in case["memories"].items() if operand in memory["keeps"]]


def temporal(case, order):
    """Operand -> the loops of each of its memories; both begin with the innermost."""
    loops = [(LayerDim(name), factor) for name, factor in order]
    found = {}
    for operand in OPERANDS:
        ends = [inside for _, inside in own(case, operand)]
        found[LayerOperand(operand)] = [loops[low:high] for low, high in zip([0, *ends], ends, strict=False)]
    return found


def moves(result, case):
    """[memory, operand, elements by direction]."""
    return [
        [name, operand]
        + [
            round(
                result.mapping.unit_mem_data_movement[LayerOperand(operand)][level]
                .get_attribute(DataMoveAttr.DATA_ELEM_MOVE_COUNT)
                .get(way)
            )
            for way in DIRECTIONS.values()
        ]
        for operand in OPERANDS
        for level, (name, _) in enumerate(own(case, operand))
    ]


if __name__ == "__main__":
    main()
