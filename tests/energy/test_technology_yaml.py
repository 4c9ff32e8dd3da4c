"""The `technology` of a table file: what is wrong in it is one line, and it reads back as it was."""

from __future__ import annotations

from fractions import Fraction

import pytest

from accelsim.energy.document import document_of
from accelsim.energy.load import load_table, nodes, table_of_node
from accelsim.energy.yaml import build
from accelsim.errors import AccelsimError, SpecError
from accelsim.yamlfile import Document, parse

TEXT = """\
name: t
source: s
unit: pJ
word: 8 b
mac: 1
network: {hop: 0}
components: {DRAM: {read: 1, write: 1}}
technology:
  node: 65
  supply: 1.0
  temperature: 300
  device: LSTP
  wire: 0.075
  flip_flop: {access: 0.02, clock: 0.005, area: 13}
  multiply_area: {8: 400, 32: 5000}
  add_area: {8: 50}
  sram: {32: "1024 1 1.2 2 3 0.1 0.01 made"}
  register_files: "16 1.2 0.3 0.5 0.01 275 made"
"""


def test_it_is_read():
    found = build(parse(TEXT, "t.yaml")).technology
    (row,) = found.sram
    assert (row.bits, row.port, row.banks, row.supply, row.area) == (8192, 32, 1, Fraction("1.2"), Fraction("0.01"))
    (file,) = found.files
    assert (file.bits, file.leakage, float(file.area)) == (256, Fraction("0.00001"), 275e-6)


@pytest.mark.parametrize("node", nodes())
def test_a_shipped_table_is_written_and_read_back(node):
    table = table_of_node(node)
    assert build(Document("again", document_of(table))) == table
    assert table.technology.node == node


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LSTP", "LSPT", "unknown device 'LSPT'; did you mean 'LSTP'?"),
        ("supply: 1.0", "supply: 3", "energies are known from 0.7 to 1.3 V"),
        ("0.01 made", "made", "row 1 has 7 cells, not 8: capacity_B banks supply_V"),
        ("1024 1 1.2", "1024 x 1.2", "row 1: banks is 'x', not a number above 0"),
        ("1024 1 1.2", "1024.5 1 1.2", "row 1: capacity_B is '1024.5', not a whole number above 0"),
        ("{32:", "{wide:", "no port in bits, 1 to 65536"),
        ("{8: 50}", "{}", "should be areas by bits"),
        ("unit: pJ", "unit: MAC", "a technology's energies are in pJ"),
        ("  wire: 0.075\n", "", "technology.wire: missing"),
        ("area: 13}", "area: -1}", "must be finite and at least 0, got -1"),
    ],
)
def test_what_is_wrong_is_one_line(old, new, message):
    assert old in TEXT
    with pytest.raises(SpecError) as found:
        build(parse(TEXT.replace(old, new), "t.yaml"))
    (line,) = str(found.value).splitlines()
    assert message in line and line.startswith("t.yaml:")


def test_a_node_without_a_table():
    with pytest.raises(AccelsimError, match=r"^no energy table of 90 nm \(65, 45, 32, 28, 22, 16, 7 nm\)$"):
        table_of_node(90)
    assert load_table("cmos_7nm") is table_of_node(7)
