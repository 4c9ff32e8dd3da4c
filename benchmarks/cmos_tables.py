"""Writes `accelsim/energy/tables/cmos_*.yaml` from grids of component data: the same bytes from the same grids.

    python benchmarks/cmos_tables.py GRIDS

GRIDS : a folder with `sram_cacti.csv`, `register_files.csv` (macros and register files by node, as a memory model gives
them), `scaling_energy.csv`, `scaling_area.csv` (Stillmaker and Baas, Integration 58, 2017), `arithmetic.csv`.
"""

from __future__ import annotations

import csv
import sys
from bisect import bisect_left
from pathlib import Path

TABLES = Path(__file__).parents[1] / "accelsim" / "energy" / "tables"
SUPPLIES = {65: 1.0, 45: 0.9, 32: 0.9, 28: 0.9, 22: 0.8, 16: 0.8, 7: 0.8}
"""V of each table, our choice: those of the chips and sources that are compared at 65 and 45 nm, else usual ones."""
UNSAID = {28: 0.9, 16: 0.8, 7: 0.8}
"""V of rows that name none, our choice: they are made from those of other nodes."""
CAPACITANCE = 0.3
"""pF of a mm of wire: the wire alone, as in Gebhart et al., ISCA 2011, Table 3, and Kogge et al., 2008, p. 130."""
CLOCK = 0.0047
"""pJ a flip-flop and cycle at 65 nm, 1.0 V: DianNao's 132 mW of clock network at 0.98 GHz over its registers."""
TAG, TAG_AREA = 0.0053, 19.5
"""pJ and um2 of a comparator of 4 b at 65 nm (Aladdin)."""
ROUTER = 0.081
"""pJ a bit: ISAAC's router, 32 nm; its source names no supply, so it stands as it is at every node."""
DRAM = """\
  DRAM: DDR3_1600
  DDR3_1600: {bits: 1, read: 15.82, write: 16.406, activate: 4523.4}     # column accesses, 2 Gb x8, TN-41-01
  DDR4_2400: {bits: 1, read: 5.625, write: 5.625, activate: 301.6}       # column accesses, 8 Gb x8, TN-40-07
  LPDDR3_1600: {bits: 1, read: 4.5938, write: 4.8281, activate: 3414.6}  # column accesses, 8 Gb x32
  LPDDR2: {bits: 1, read: 20, write: 20}                                 # Horowitz, ISSCC 2014: all of it
  HBM2: {bits: 1, read: 3.9, write: 3.9}                                 # O'Connor et al., MICRO 2017: all of it
"""


def rows(grids: Path, name: str) -> list[dict[str, str]]:
    """A grid's rows by its header."""
    with (grids / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def between(known: dict[int, float], node: int) -> float:
    """Linear in nm between listed nodes; outside them refused."""
    nodes = sorted(known)
    if not nodes[0] <= node <= nodes[-1]:
        raise SystemExit(f"{node} nm lies outside {nodes[0]} to {nodes[-1]} nm")
    at = bisect_left(nodes, node)
    if nodes[at] == node:
        return known[node]
    low, high = nodes[at - 1], nodes[at]
    return known[low] + (known[high] - known[low]) * (node - low) / (high - low)


def energy_at(grids: Path, node: int, supply: float) -> float:
    """The polynomial P of a node at a supply."""
    known = {
        int(row["node_nm"]): float(row["a_per_V2"]) * supply**2 + float(row["b_per_V"]) * supply + float(row["c"])
        for row in rows(grids, "scaling_energy")
    }
    return between(known, node)


def area_over_45(grids: Path, node: int) -> float:
    """Area of a node over that of 45 nm."""
    (row,) = [row for row in rows(grids, "scaling_area") if next(iter(row.values())) == "45"]
    return between({int(name): float(value) for name, value in list(row.items())[1:]}, node)


def arithmetic(grids: Path, node: int) -> dict[str, dict[int, tuple[float, float]]]:
    """(pJ, um2) of Horowitz's 45 nm, 0.9 V rows at another node and its table's supply: operation, bits."""
    by = energy_at(grids, node, SUPPLIES[node]) / energy_at(grids, 45, 0.9)
    area = area_over_45(grids, node)
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for row in rows(grids, "arithmetic"):
        if row["source"] == "horowitz2014":
            values = float(row["energy_pJ"]) * by, float(row["area_um2"]) * area
            found.setdefault(row["operation"], {})[int(row["bits"])] = values
    return found


def by_bits(values: dict[int, tuple[float, float]], which: int) -> str:
    """As a curve of the file."""
    return "{" + ", ".join(f"{bits}: {pair[which]:.6g}" for bits, pair in sorted(values.items())) + "}"


def brain_float(grids: Path, found: dict[str, dict[int, tuple[float, float]]]) -> float:
    """pJ of a bf16 multiply and add: those of fp16 by what Jouppi et al., ISCA 2021, have for both at 7 nm.

    Horowitz has no bf16, and prices of two sources are not mixed: at 7 nm fp16 of one is four times that of the other.
    """
    at_7 = {
        row["operation"]: float(row["energy_pJ"]) for row in rows(grids, "arithmetic") if row["source"][:6] == "jouppi"
    }
    return sum(found[f"fp16 {what}"][16][0] * at_7[f"bf16 {what}"] / at_7[f"fp16 {what}"] for what in ("mult", "add"))


def floats(grids: Path, found: dict[str, dict[int, tuple[float, float]]]) -> str:
    """A multiply and an add of each width, as lines of the file."""
    lines = []
    for name, bits in (("fp16", 16), ("fp32", 32)):
        (e1, a1), (e2, a2) = found[f"{name} mult"][bits], found[f"{name} add"][bits]
        lines.append(f"    {name}: {{energy: {e1 + e2:.6g}, area: {a1 + a2:.6g}}}")
        if name == "fp16":
            energy = brain_float(grids, found)
            lines.append(
                f"    bf16: {{energy: {energy:.6g}, area: {a1 + a2:.6g}}}  # energy by ISCA 2021; area of fp16"
            )
    return "\n".join(lines)


def sram(grids: Path, node: int) -> str:
    """Memories of 32 b ports and more; narrower ones are priced too dear by the model that made the grid."""
    ports: dict[int, list[str]] = {}
    for row in rows(grids, "sram_cacti"):
        if int(row["node_nm"]) == node and int(row["width_b"]) >= 32:
            supply = row["vdd_V"] or str(UNSAID[node])
            cells = (row["capacity_B"], row["banks"], supply, row["read_pJ"], row["write_pJ"])
            line = " ".join(("     ", *cells, row["leakage_mW"], row["area_mm2"], row["rule"]))
            ports.setdefault(int(row["width_b"]), []).append(line)
    return "\n".join(f"    {port}: |\n" + "\n".join(lines) for port, lines in sorted(ports.items()))


def supply_of(grids: Path, node: int) -> str:
    """V of a node's memories."""
    (found,) = {row["vdd_V"] for row in rows(grids, "sram_cacti") if int(row["node_nm"]) == node}
    return found or str(UNSAID[node])


def files(grids: Path, node: int) -> str:
    """Register files that are SRAM, at the supply of the node's memories."""
    supply, lines = supply_of(grids, node), []
    for row in rows(grids, "register_files"):
        if int(row["node_nm"]) == node and row["kind"] == "sram":
            cells = (row["words"], supply, row["read_pJ"], row["write_pJ"], row["leakage_uW"], row["area_um2"])
            lines.append(" ".join(("   ", *cells, row["source"])))
    return "\n".join(lines)


def flip_flop(grids: Path, node: int) -> tuple[float, float]:
    """(pJ of an access at the table's supply, um2) of a bit."""
    row = next(r for r in rows(grids, "register_files") if int(r["node_nm"]) == node and r["kind"] == "flip-flop")
    bits = int(row["words"]) * int(row["width_b"])
    return float(row["write_pJ"]) / int(row["width_b"]) * (SUPPLIES[node] / 0.8) ** 2, float(row["area_um2"]) / bits


def text(grids: Path, node: int) -> str:
    """One table."""
    supply, found = SUPPLIES[node], arithmetic(grids, node)
    access, area = flip_flop(grids, node)
    clock = CLOCK * energy_at(grids, node, supply) / energy_at(grids, 65, 1.0)
    add = by_bits(found["int add"], 0)
    return f"""\
# {node} nm at {supply:g} V: memories, flip-flops, wires, clock, leakage and area, written by benchmarks/cmos_tables.py.
name: cmos_{node}nm
source: >-
  memories and register files: CACTI 7.0, LSTP cells and periphery, 300 K; flip-flops: Aladdin (Shao et al., ISCA 2014)
  scaled; arithmetic: Horowitz, ISSCC 2014, 45 nm, 0.9 V, moved here by Stillmaker and Baas, Integration 58, 2017; wire:
  a quarter of C V^2, C = 0.3 pF/mm (Gebhart et al., ISCA 2011); clock: DianNao's layout (Chen et al., ASPLOS 2014);
  router: ISAAC (Shafiee et al., ISCA 2016), as it stands at 32 nm; tags: Aladdin, 65 nm, as it stands; DRAM: Micron's
  TN-41-01 and TN-40-07; bf16 over fp16: Jouppi et al., ISCA 2021, 7 nm, recalled
note: >-
  {supply:g} V, 300 K, low-standby-power devices; leakage of flip-flops and arithmetic, and control, are in no row;
  DRAM is DDR3-1600, column accesses; a vector operation costs an add
unit: pJ
mac:
  multiply: {by_bits(found["int mult"], 0)}
  add: {add}
vector_op: {add}
network: {{hop: 0, tag: {TAG}}}
components:
{DRAM}technology:
  node: {node}
  supply: {supply:g}
  temperature: 300
  device: LSTP
  wire: {CAPACITANCE * supply**2 / 4:.6g}
  router: {ROUTER}
  flip_flop: {{access: {access:.6g}, clock: {clock:.6g}, area: {area:.6g}}}
  multiply_area: {by_bits(found["int mult"], 1)}
  add_area: {by_bits(found["int add"], 1)}
  floats:
{floats(grids, found)}
  tag_area: {TAG_AREA}
  register_files: |       # words, V, pJ, pJ, uW, um2, how the model made the row
{files(grids, node)}
  sram:                   # by port in bits: B, banks, V, pJ, pJ, mW, mm2, how the model made the row
{sram(grids, node)}
"""


def main(grids: Path) -> None:
    """Write every table."""
    for node in SUPPLIES:
        (TABLES / f"cmos_{node}nm.yaml").write_text(text(grids, node), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
