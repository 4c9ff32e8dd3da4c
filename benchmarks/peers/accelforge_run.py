"""In AccelForge's environment: fixed mappings, each evaluated, and searches; argv: a JSON object. Prints another."""

import contextlib
import functools
import importlib.metadata
import json
import re
import sys
import tempfile
import time

import accelforge
from accelforge.frontend import arch, mapping, workload
from accelforge.model.main import evaluate_mapping


def main():
    task = json.loads(sys.argv[1])
    if "searches" in task:
        found = [searched(one, task["prices"]) for one in task["searches"]]
        print(json.dumps({"version": importlib.metadata.version("accelforge"), "searches": found}))
        return
    found = {}
    with contextlib.redirect_stdout(sys.stderr):
        for name, case in task["cases"].items():
            evaluations = [evaluation(case, text, task["prices"]) for text in case["nests"]]
            counts = [actions(evaluate(), case) for evaluate in evaluations]
            seconds = []
            for _ in range(task["repeats"]):
                start = time.perf_counter()
                for evaluate in evaluations:
                    evaluate()
                seconds.append(time.perf_counter() - start)
            found[name] = {"seconds": seconds, "counts": counts}
    print(json.dumps({"version": importlib.metadata.version("accelforge"), "cases": found}))


def searched(case, prices):
    """Energy and seconds of the best mapping that the mapper finds."""
    nodes = []
    for level, words in case["words"].items():
        price = [{"name": way, "energy": prices[level], "throughput": "inf"} for way in ("read", "write")]
        tensors = {"keep": "All"} if case["kept"] or words is None else {"may_keep": "All"}
        common = {"leak_power": 0, "area": 0}
        nodes.append(arch.Memory(name=level, size=words or "inf", tensors=tensors, actions=price, **common))
        if level == "GLB":
            spatial = [{"name": axis, "fanout": size} for axis, size in zip("yx", case["pes"], strict=True)]
            nodes.append(arch.Container(name="array", spatial=spatial))
    nodes.append(arch.Compute(name="MAC", actions=[{"name": "compute", "energy": 1, "throughput": 1}], **common))
    spec = accelforge.Spec(arch=arch.Arch(nodes=nodes), workload=layer(case))
    spec.mapper.metrics = accelforge.Metrics.ENERGY
    accelforge.set_n_parallel_jobs(1)
    # it draws what it finds, with Graphviz, into the working directory
    mapping.Mapping.render = lambda self, **_: ""
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        start = time.perf_counter()
        found = spec.map_workload_to_arch(print_progress=False)
        seconds = time.perf_counter() - start
    return {"energy": float(found.energy()), "seconds": seconds}


def evaluation(case, text, prices):
    """A call that evaluates one mapping; what a component costs is worked out before."""
    spec = accelforge.Spec(arch=machine(case, text, prices), workload=layer(case), mapping=nest(case, text))
    priced = spec.calculate_component_costs(einsum_name="layer", area=False)
    leaves = priced._get_flattened_architecture(compute_node="MAC")
    return functools.partial(evaluate_mapping, spec, {("layer", "MAC"): leaves}, {"layer": priced})


def parse(text):
    """Level -> its temporal loops, outer to inner, and [axis, dim, factor] of those over the array below."""
    found = {}
    for part in text.split("|"):
        level, _, loops = part.partition(":")
        kind, own = "temporal", []
        for word in loops.split():
            if word in ("y", "x"):
                kind = word
            else:
                dim, factor = re.fullmatch(r"([A-Z]+)(\d+)", word).groups()
                own.append((kind, dim, int(factor)))
        found[level.strip()] = own
    return found


def layer(case):
    accesses = []
    for index, (tensor, text) in enumerate(case["tensors"].items()):
        ranks = {}
        for word in text.split():
            rank = f"{'X' + word[-1] if '+' in word else word}"
            ranks[rank] = word.lower().replace("+", " + ").replace("*", " * ")
        accesses.append({"name": tensor, "projection": ranks, "output": index == 2})
    shape = [f"0 <= {dim.lower()} < {size}" for dim, size in case["sizes"].items()]
    einsum = {"name": "layer", "tensor_accesses": accesses, "iteration_space_shape": shape}
    return workload.Workload(einsums=[einsum], bits_per_value={"All": 1})


def machine(case, text, prices):
    nodes = []
    for level, loops in parse(text).items():
        price = [{"name": way, "energy": prices[level], "throughput": "inf"} for way in ("read", "write")]
        keeps = " | ".join(case["keeps"][level])
        common = {"leak_power": 0, "area": 0}
        nodes.append(arch.Memory(name=level, size="inf", tensors={"keep": keeps}, actions=price, **common))
        fanout = {}
        for kind, _, factor in loops:
            if kind != "temporal":
                fanout[kind] = fanout.get(kind, 1) * factor
        if fanout:
            spatial = [{"name": axis, "fanout": factor} for axis, factor in fanout.items()]
            nodes.append(arch.Container(name=f"array_{level}", spatial=spatial))
    nodes.append(arch.Compute(name="MAC", actions=[{"name": "compute", "energy": 1, "throughput": 1}], **common))
    return arch.Arch(nodes=nodes)


def nest(case, text):
    """Tiles stay while only loops that do not index them advance: each is stored above the innermost such loops."""
    left = dict(case["sizes"])
    indexed = {tensor: set(re.findall("[A-Z]", text)) for tensor, text in case["tensors"].items()}
    nodes = []
    for level, loops in parse(text).items():
        for tensor in case["keeps"][level]:
            place = above(nodes, tensor, indexed[tensor])
            nodes.insert(place, mapping.Storage(tensors=[tensor], component=level))
        for kind, dim, factor in sorted(loops, key=lambda loop: loop[0] == "temporal"):
            left[dim] //= factor  # a loop steps over what is left of its dim inside it
            step = {"rank_variable": dim.lower(), "tile_shape": left[dim]}
            if kind == "temporal":
                nodes.append(mapping.Temporal(**step))
            else:
                nodes.append(mapping.Spatial(name=kind, component=f"array_{level}", **step))
    nodes.append(mapping.Compute(einsum="layer", component="MAC"))
    return mapping.Mapping(nodes=nodes)


def above(nodes, tensor, dims):
    """Where the innermost loops over other dims begin."""
    place = len(nodes)
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        if isinstance(node, mapping.Temporal):
            if node.rank_variable.upper() in dims:
                break
            place = index
        elif isinstance(node, mapping.Spatial) or tensor in node.tensors:
            break
    return place


def actions(result, case):
    """[level, tensor, reads, writes]."""
    found = result.actions(per_component=True, per_tensor=True)
    return [
        [level, tensor, *(int(found.get((level, tensor, way), 0)) for way in ("read", "write"))]
        for level, tensors in case["keeps"].items()
        for tensor in tensors
    ]


if __name__ == "__main__":
    main()
