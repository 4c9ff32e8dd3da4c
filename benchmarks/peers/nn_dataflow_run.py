"""In nn-dataflow's environment: its exhaustive search, layer by layer; argv: a JSON object. Prints a JSON object."""

import contextlib
import json
import sys
import time

from nn_dataflow.core import (
    ConvLayer,
    Cost,
    DataCategoryEnum,
    InputLayer,
    MapStrategyEyeriss,
    MemHierEnum,
    Network,
    NNDataflow,
    NodeRegion,
    Option,
    PhyDim2,
    Resource,
    loop_blocking,
)
from nn_dataflow.version import get_version

TENSORS = {"filter": DataCategoryEnum.FIL, "ifmap": DataCategoryEnum.IFM, "psum": DataCategoryEnum.OFM}
schemes = 0


def main():
    task = json.loads(sys.argv[1])
    count_schemes()
    with contextlib.redirect_stdout(sys.stderr):
        found = {name: search(task, layer) for name, layer in task["layers"].items()}
    print(json.dumps({"version": get_version(), "layers": found}))


def count_schemes():
    """Count the blocking schemes that are evaluated."""
    evaluate = loop_blocking.LoopBlockingScheme

    def counted(*arguments):
        global schemes
        schemes += 1
        return evaluate(*arguments)

    loop_blocking.LoopBlockingScheme = counted


def search(task, layer):
    """Seconds, schemes and DRAM words of one layer as a network."""
    global schemes
    schemes = 0
    network = Network("one")
    ofmap, taps, stride = tuple(layer["ofmap"]), tuple(layer["taps"]), layer["stride"]
    network.set_input_layer(InputLayer(layer["channels"], tuple((ofmap[i] - 1) * stride + taps[i] for i in range(2))))
    network.add("layer", ConvLayer(layer["channels"], layer["filters"], ofmap, taps, stride))
    flow = NNDataflow(network, task["batch"], resource(task), cost(task["prices"]), MapStrategyEyeriss)
    start = time.perf_counter()
    (best,), _ = flow.schedule_search(Option(sw_gbuf_bypass=(False,) * DataCategoryEnum.NUM, nprocesses=1))
    seconds = time.perf_counter() - start
    dram = best["layer"].scheme["access"][MemHierEnum.DRAM]
    words = {tensor: round(dram[index]) for tensor, index in TENSORS.items()}
    return {"seconds": seconds, "schemes": schemes, "words": words}


def resource(task):
    """One node with memory beside it; no limit on bandwidth."""
    origin, one = PhyDim2(0, 0), PhyDim2(1, 1)
    memory = NodeRegion(dim=one, origin=origin, type=NodeRegion.DRAM)
    return Resource(
        proc_region=NodeRegion(dim=one, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*task["array"]),
        size_gbuf=task["buffer"],
        size_regf=task["registers"],
        array_bus_width=float("inf"),
        dram_bandwidth=float("inf"),
        no_time_mux=False,
    )


def cost(prices):
    levels = [0] * MemHierEnum.NUM
    levels[MemHierEnum.DRAM] = prices["DRAM"]
    levels[MemHierEnum.GBUF] = prices["GLB"]
    levels[MemHierEnum.ITCN] = prices["array"]
    levels[MemHierEnum.REGF] = prices["RF"]
    return Cost(mac_op=prices["MAC"], mem_hier=tuple(levels), noc_hop=0, idl_unit=0)


if __name__ == "__main__":
    main()
