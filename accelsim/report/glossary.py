"""What each number means: one entry per metric, with formula and unit."""

from __future__ import annotations

import re
from typing import NamedTuple

from accelsim.errors import AccelsimError, nearest


class Entry(NamedTuple):
    """A metric. `formula` in words of other metrics; `unit` as in every column name."""

    unit: str
    meaning: str
    formula: str


GLOSSARY = {
    "macs": Entry(
        "MACs",
        "Multiply-accumulates of a layer, those with padding zeros included.",
        "N x G x M x C x P x Q x R x S",
    ),
    "cycles": Entry(
        "core cycles",
        "Total latency of one run of a layer: everything, the outermost memory's transfers too. "
        "From the closed form it is a lower bound. A network's cycles are the sum of its layers'.",
        "compute_cycles + sum(stall_cycles)",
    ),
    "processing_cycles": Entry(
        "core cycles",
        "Latency if the outermost memory's transfers took no time (fully overlapped).",
        "as cycles, with all data one level below the outermost from the start",
    ),
    "compute_cycles": Entry(
        "core cycles",
        "Cycles the MAC array works.",
        "sum over the steps of ceil(MACs of the busiest PE / MACs per PE and cycle); fewer where zeros are skipped",
    ),
    "ms": Entry("ms", "Total latency as time.", "1000 x cycles / clock_hz"),
    "processing_ms": Entry("ms", "Processing latency as time.", "1000 x processing_cycles / clock_hz"),
    "stall_cycles": Entry(
        "core cycles",
        "Cycles without a MAC by cause: the network waited for ('GLB->RF ifmap', '<-' for drains), 'fill' before "
        "the first MAC, 'drain' after the last, 'pipeline' between dependent passes, 'fixed' cycles that a machine "
        "takes beside words and MACs, 'least' where a step was shorter than any may be, 'pe' for what PEs do behind "
        "the MACs of a step.",
        "cycles - compute_cycles, split by the transfer that set the start of each step",
    ),
    "phase": Entry(
        "share",
        "Of a training step (run --training): the forward pass; the gradients of inputs, of layers without MACs too; "
        "those of weights; the update of weights and state. Layers without MACs count in each.",
        "MACs, cycles or energy of its layers / those of all",
    ),
    "kept_bytes": Entry(
        "bytes",
        "Activations that a training step keeps until its backward pass has read them; `kept_words` are words.",
        "words that a gradient reads of the forward pass, each once x batch x bits of an ifmap word / 8",
    ),
    "signal_to_noise": Entry(
        "dB",
        "Outputs as converters of a machine read them (physical: analog), beside exact ones; `run --check` tells it.",
        "10 log10(sum of exact outputs squared / sum of differences squared)",
    ),
    "active_pes": Entry(
        "PEs",
        "PEs that hold work in the fullest step. Of several layers: the mean weighted by compute_cycles.",
        "product of the spatial factors, clipped to the problem",
    ),
    "effectual_macs": Entry(
        "MACs",
        "MACs that are carried out where zero operands are gated or skipped (docs/model.md, Zeros).",
        "MACs whose gated and skipped operands are all non-zero",
    ),
    "visited_macs": Entry(
        "MACs",
        "MACs that take a slot: all of them, unless zeros are skipped. What is not effectual of them is gated.",
        "MACs whose skipped operands are all non-zero",
    ),
    "busy_cycles": Entry(
        "core cycles",
        "Cycles of all PEs added up, where zeros are skipped.",
        "over PEs and steps, cycles until the PE has done its step",
    ),
    "imbalance": Entry(
        "1",
        "How much longer steps take than the mean active PE works in them; null unless zeros are skipped. "
        "Of several layers: the mean weighted by cycles of PEs.",
        "compute_cycles x active_pes / cycles of all PEs added up",
    ),
    "compression": Entry(
        "words",
        "Per level, data type and action: words before encoding (raw), non-zero ones, words moved (already in counts), "
        "those of them that are metadata. A ratio below 1: encoding made them more. Tables show it over all actions.",
        "ratio = raw / words; metadata = words - nonzero; words = ceil(bits / word bits) per transfer",
    ),
    "dram": Entry(
        "bursts",
        "What the bursts of a DRAM with banks and rows found (docs/dram.md): their row open (hits), their bank idle "
        "(misses), another row open (conflicts); refreshes of all channels; dram_cycles, the core cycles its transfers "
        "take; bus_efficiency, the share of the peak bandwidth in that time. The closed form does not give it.",
        "row_hit_rate = hits / bursts; bus_efficiency = bursts x clocks of a burst / (channels x clocks)",
    ),
    "dram_activate": Entry(
        "activates",
        "Rows opened in a DRAM; they cost energy only where the energy table has an 'activate' for it.",
        "misses + conflicts",
    ),
    "utilization": Entry(
        "1 (shown in %)",
        "Share of all MAC slots that a MAC took, stalls included: gated MACs take one, skipped ones none.",
        "visited_macs / (PEs x MACs per PE and cycle x cycles), MACs per PE and cycle in the mode of the layer",
    ),
    "dense_equivalent": Entry(
        "1 (shown as x)",
        "Where zeros are skipped: the utilization a machine that skips nothing would need to be as fast; above 1 none "
        "with so many MAC units could be.",
        "macs / (PEs x MACs per PE and cycle x cycles)",
    ),
    "tops": Entry(
        "10¹² operations per second",
        "Throughput over the total latency, two operations a MAC; skipped ones are told apart. Peak: every MAC unit "
        "busy in every cycle.",
        "2 x visited_macs / total; peak = 2 x PEs x MACs per PE and cycle x clock_hz",
    ),
    "images_per_second": Entry(
        "1/s", "Images (inferences, of a network without a filter wider than 1) by the total latency.", "batch / total"
    ),
    "binds": Entry(
        "% of the cycles",
        "What most cycles went to: compute, or the largest cause of stalls; behind it the next.",
        "the largest of compute_cycles and stall_cycles, each / cycles",
    ),
    "words": Entry(
        "words",
        "Words moved by one action at one level, of the tensor's own width.",
        "see fill, read, update, drain, hop",
    ),
    "fill": Entry(
        "words",
        "Written at a level from the level above. As a cause of stalls: core cycles before the first MAC.",
        "new words of each tile, summed over instances",
    ),
    "read": Entry(
        "words",
        "Read at a level for the level below or the MAC. With multicast once for all PEs that want the word.",
        "psum: update - (drain - fill)",
    ),
    "update": Entry(
        "words", "Psums written at a level from below, after additions in the network.", "drain below / reduction"
    ),
    "drain": Entry(
        "words",
        "Psums (ofmaps, once final) read at a level for the level above. As a cause of stalls: core cycles after the "
        "last MAC.",
        "words of each tile and visit",
    ),
    "sent": Entry(
        "words", "Words put on the network below a level.", "multicast: one per word; unicast: one per child"
    ),
    "deliveries": Entry(
        "words", "Words on a network times their receivers.", "down: words wanted by each child, summed"
    ),
    "hop": Entry(
        "hops",
        "Links crossed on a network.",
        "bus: words sent; systolic, chain and crossbar: deliveries; tree: additions = deliveries - sent; "
        "mesh: links of the union of X-Y routes, summed over words",
    ),
    "link_load": Entry(
        "words",
        "Words over one link of a mesh or to one child of a crossbar in a layer, all instances added up: the busiest "
        "link (on, max) and the mean. Old psums on their way down are left out.",
        "mean = hops / links of the routes to the children used",
    ),
    "tag_matches": Entry(
        "comparisons",
        "Tags compared on a tagged bus: the row of each word at every row, its column at every PE of rows that match.",
        "words sent x rows of the array + rows that want a word, summed over words, x columns",
    ),
    "bits": Entry(
        "b",
        "Width of the words of each data type. A port of so many bits carries words end to end, a memory holds as many "
        "as fit; energy of moving a word is proportional to it (docs/precision.md).",
        "--bits, else the layer's 'bits', else the network's, else the machine's 'word'",
    ),
    "mode": Entry(
        "MACs at a time x b",
        "How a multiplier splits for the words of a layer: products at a time, and the most bits of their operands "
        "(docs/precision.md).",
        "of the modes of the machine that the words fit, the one of the fewest bits",
    ),
    "megabytes": Entry(
        "MB (10⁶ bytes)",
        "Everything moved at a level.",
        "(fill + read + update + drain) x bits / 8 / 10⁶, summed over tensors",
    ),
    "energy": Entry(
        "pJ, or MAC energies (multiples of the energy of one MAC) for a relative table",
        "Energy of one run of a layer; of a network with repeats.",
        "sum of action counts x energy per action (MACs, memory accesses, words on networks, leakage)",
    ),
    "energy_breakdown": Entry(
        "as energy",
        "Energy by component (level, network, MAC unit), tensor and action; adds up to energy exactly.",
        "count x energy per action",
    ),
    "energy_per_mac": Entry("as energy, per MAC", "Energy of a network for each MAC.", "energy / macs"),
    "edp": Entry(
        "energy x cycles; J s in a result",
        "Energy-delay product, an objective of the mapping search.",
        "energy x cycles, or x time",
    ),
    "power": Entry(
        "mW",
        "Energy over total latency, with and without (on chip) the outermost memory; only of tables in pJ.",
        "energy / (cycles / clock_hz)",
    ),
    "tops_per_watt": Entry(
        "TOPS/W", "Operations over energy, with and without (chip) the outermost memory.", "2 x macs / energy"
    ),
    "tops_per_mm2": Entry("TOPS/mm2", "Rate over the floor of all components.", "tops / floor"),
    "area": Entry(
        "mm2",
        "What components on chip take: cells, and the floor these need (docs/energy.md).",
        "cells: instances x memory, flip-flops, MACs, tags; floor = floorplan x cells",
    ),
    "instances": Entry("times", "How often a component is on the chip.", "product of the arrays above it"),
    "standing": Entry(
        "as energy",
        "What is paid by the cycle, whatever moves: leakage of memories, clock of flip-flops, declared parts.",
        "(leakage x instances + static) x time + flip-flops x clock price x cycles",
    ),
    "wire": Entry(
        "as energy",
        "A word on its way over a network: wires by their length, routers of a mesh, registers that hand it on.",
        "words x bits x pitches x price per mm (docs/energy.md); router: links x bits; register: deliveries x bits",
    ),
    "isca16": Entry(
        "as energy",
        "An accounting that charges energy as Chen et al., ISCA 2016 do; an option for comparing, never the default.",
        "inputs: DRAM.read, GLB.read, one hop per delivery, one RF read per MAC; psums: the last sum goes straight up",
    ),
    "vector_ops": Entry(
        "operations",
        "Operations that are no MACs, of the whole batch: comparisons, sums, products, exp... each counts one.",
        "by layer type, docs/layers.md",
    ),
    "vector": Entry(
        "as its parts",
        "Sums over the layers without MACs and the gates of recurrent ones, repeats included; beside the total, not in "
        "it. Their cycles: of the busiest port of the outermost level, or of the vector unit if that takes longer.",
        "reads, writes, vector_ops, cycles, energy: each layer's x repeat (docs/model.md, Vector operations)",
    ),
    "vector_ops_priced": Entry(
        "true or false",
        "Whether the energy table has a price for a vector operation; if not, energy is that of their words alone.",
        "vector_op in the table",
    ),
    "with_vector": Entry(
        "as cycles and energy",
        "Cycles and energy of all layers, those without MACs among them.",
        "total + vector",
    ),
    "reads": Entry(
        "words",
        "Words a layer without MACs reads from the outermost level, of an ifmap's width; each input word once.",
        "batch x words of its inputs; concat, extend and crop: 0",
    ),
    "writes": Entry(
        "words",
        "Words a layer without MACs writes to the outermost level, of a psum's width.",
        "batch x words of its output; concat, extend and crop: 0",
    ),
    "total": Entry(
        "ms as a column, else as the column",
        "As a column: total latency (cycles), the outermost memory's transfers included. As the last row: the sum over "
        "the layers with MACs, all their runs; active PEs and ratios are means.",
        "sum of rows x repeat",
    ),
    "processing": Entry(
        "ms",
        "Processing latency: as if the outermost memory's transfers took no time (processing_cycles).",
        "1000 x processing_cycles / clock_hz",
    ),
    "layer": Entry(
        "-",
        "A layer of the network that has MACs. 'x3': it runs three times (repeat); '*': not in the mapping given.",
        "names from the workload",
    ),
    "dataflow": Entry(
        "-", "The rule that mappings follow, or the machine that has one. '*': some layers did not run.", "--dataflow"
    ),
    "ifmap": Entry(
        "as its table", "The data type read as a layer's input: words, energy, stalls.", "N x G x C x H x W"
    ),
    "filter": Entry("as its table", "The data type of weights: words, energy, stalls.", "G x M x C x R x S"),
    "psum": Entry(
        "as its table", "The data type of sums and, once final, of ofmaps: words, energy, stalls.", "N x G x M x P x Q"
    ),
    "mac_unit": Entry(
        "as energy",
        "The component that multiplies and adds, 'MAC' in documents. 'MACs' are a count, 'MAC energies' a unit.",
        "MACs x energy of one, gated ones at their own price",
    ),
    "mac_energies": Entry(
        "the energy of one MAC",
        "The unit of energy tables that are relative, 'MAC' in documents: 6 MAC energies are what six MACs cost.",
        "energy / energy of one MAC",
    ),
    "all": Entry("as energy", "Energy of all data types or levels of a row together.", "sum of the columns before it"),
    "network": Entry(
        "as energy",
        "The component that moves words between a level and what is below it; 'GLB network' where there are several.",
        "deliveries (mesh: hops) x energy of a hop, tag_matches x energy of one",
    ),
    "level": Entry(
        "as its table",
        "A memory of the machine, the outermost first: MB moved there, or energy spent there. 'accelsim show NAME' "
        "prints the machine's file.",
        "see megabytes, energy_breakdown",
    ),
    "others": Entry("core cycles", "The stalls that have no column of their own.", "all stalls - those shown"),
    "of_cycles": Entry("%", "Stalls as a share of the cycles; as a row, of each cause.", "100 x stall_cycles / cycles"),
    "of_macs": Entry("%", "MACs carried out as a share of all.", "100 x effectual_macs / macs"),
    "repeat": Entry(
        "times",
        "How often an identical layer runs, 'x3' behind its name: its row is one run, totals, bars of pictures and "
        "the rows of tables for programs are multiplied by it.",
        "from the workload",
    ),
    "search": Entry(
        "as its objective",
        "Of what a searched mapping is the best: the space, the splits that were bounded, what was tried only "
        "around the best of the others (`cut`; empty: nothing); the bound, by the closed form, and the score, as it "
        "was evaluated.",
        "least objective in the space",
    ),
}


# headings whose entry has another name
ALIASES = {
    "register": "wire",
    "router": "wire",
    "static": "standing",
    "all_stalls": "stall_cycles",
    "bits_i/f/p/o": "bits",
    "bursts": "dram",
    "busy": "dram",
    "cells": "area",
    "chip_mw": "power",
    "chip_tops_per_watt": "tops_per_watt",
    "clock": "standing",
    "component": "energy_breakdown",
    "compute": "compute_cycles",
    "conflicts": "dram",
    "dataflows": "dataflow",
    "effectual": "effectual_macs",
    "energy_by_data_type": "energy_breakdown",
    "energy_by_level": "energy_breakdown",
    "gated": "visited_macs",
    "hops": "hop",
    "images/s": "images_per_second",
    "inferences/s": "images_per_second",
    "floor": "area",
    "leakage": "standing",
    "power_by_level": "power",
    "power_mw": "power",
    "mac": "mac_unit",
    "misses": "dram",
    "of_peak": "dram",
    "ofmap": "psum",
    "operation": "vector_ops",
    "overlap": "stall_cycles",
    "accumulate": "isca16",
    "pipeline": "stall_cycles",
    "fixed": "stall_cycles",
    "least": "stall_cycles",
    "refreshes": "dram",
    "row_hits": "dram",
    "rows_of_the_dram": "dram",
    "stalled_cycles_by_cause": "stall_cycles",
    "stalls": "stall_cycles",
    "time": "total",
    "visited": "visited_macs",
    "words_moved": "megabytes",
    "words_moved_at_each_level": "megabytes",
    "zeros": "effectual_macs",
    "zeros:_macs_left": "effectual_macs",
}
CAUSE = re.compile(r"(.+?)(->|<-)(.+) (ifmap|filter|psum)")
ENCODED = re.compile(r"(.+) (ifmap|filter|psum)")


def explain(metric: str) -> Entry:
    """The entry of a metric, of any heading of a table, or of a level of a machine that ships.

    Raises AccelsimError with the nearest name.
    """
    heading = re.sub(r"\s*\[[^]]*\]$", "", metric.strip())
    key = heading.lower().replace(" ", "_").replace("-", "_")
    key = ALIASES.get(key, key)
    if key in GLOSSARY:
        return GLOSSARY[key]
    if cause := CAUSE.fullmatch(heading):
        return _cause(*cause.groups())
    if encoded := ENCODED.fullmatch(heading):
        return GLOSSARY["compression"]._replace(meaning=f"Of {encoded[2]} at {encoded[1]}. " + _meaning("compression"))
    if key.endswith("_network"):
        return GLOSSARY["network"]
    if re.fullmatch(r"\d+_others", key):
        return GLOSSARY["others"]
    if re.fullmatch(r"x\d+", key):
        return GLOSSARY["repeat"]
    if machines := _machines_with(heading):
        return GLOSSARY["level"]._replace(meaning=f"{_meaning('level')} One of: {', '.join(machines)}.")
    raise AccelsimError(f"unknown metric '{metric}'{nearest(key, GLOSSARY)}")


def _meaning(key: str) -> str:
    return GLOSSARY[key].meaning


def _cause(first: str, arrow: str, second: str, tensor: str) -> Entry:
    """A cause of stalls between two levels."""
    ways = {
        "->": f"{tensor} words on their way from {first} to {second}",
        "<-": f"{tensor} words from {second} to {first}",
    }
    waited = f"Cycles without a MAC because {ways[arrow]} were waited for: that port or network was too slow."
    return Entry("core cycles", waited, "part of stall_cycles; the transfer that set the start of a step")


def _machines_with(level: str) -> list[str]:
    """The machines that ship with a level of that name."""
    from accelsim.yamlfile import builtin, read, resolve

    found = []
    for name in builtin("arch"):
        levels = read(resolve("arch", name)).data["levels"]
        if level.lower() in {entry["name"].lower() for entry in levels}:
            found.append(name)
    return found
