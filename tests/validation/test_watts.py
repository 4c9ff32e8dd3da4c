"""Shares of energy and watts of whole chips beside published ones: how far off, and what the text says of them."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.floor import floor_of
from accelsim.energy.load import load_table
from accelsim.reproduce import chip, process, source, tpu, watts
from accelsim.simulate import simulate

LAYERS = ("CONV1", "CONV2", "CONV3", "CONV4", "CONV5", chip.TOTAL)


class TestGoogLeNet:
    @pytest.mark.parametrize("batch", watts.BATCHES)
    def test_shares_lie_near_theirs(self, batch):
        found = watts.shares(batch)
        assert sum(found.values()) == pytest.approx(100)
        for name, theirs in watts.SHARES.items():
            assert found[name] == pytest.approx(theirs, abs=8), name

    def test_weights_and_input_maps_from_batch_4_on(self):
        for batch in watts.BATCHES[1:]:
            for name in ("filter", "ifmap"):
                assert watts.shares(batch)[name] == pytest.approx(watts.SHARES[name], abs=2)

    def test_they_are_those_of_the_document(self):
        """The other way: rows of the table that a user gets."""
        rows = simulate("eyeriss", "googlenet", batch=4, evaluator="analytical", data="dense").table
        spent = [0.0, 0.0]
        for row in rows:
            spent[row["tensor"] == "psum"] += row["repeat"] * row["energy"]
        assert 100 * spent[1] / sum(spent) == pytest.approx(watts.shares(4)["psum"])

    def test_the_explanation(self):
        ours, theirs = watts.per_mac(4), {name: share / 10 for name, share in watts.SHARES.items()}
        for name, accesses in (("filter", 1), ("ifmap", 1), ("psum", 2)):
            assert 0.5 < (theirs[name] - ours[name]) / accesses < 0.8
        after, before = watts.shares(4, watts.REGISTER_FILE), watts.shares(4)
        assert after["none"] == pytest.approx(10, abs=0.5)
        assert 2 * (after["psum"] - before["psum"]) > 43 - before["psum"]


class TestChip:
    def test_the_part_is_what_the_paper_leaves_less_the_clock(self):
        """By the clock of all flip-flops, by hand: bits x 4.7 fJ x 200 MHz."""
        (part,) = source.document("eyeriss_power")["change"]["physical"]["parts"].values()
        machine, table = load_architecture("eyeriss"), load_table("cmos_65nm")
        clock = sum(floor_of(machine, table).flip_flops) * 4.7e-12 * machine.clock_hz
        assert part["static"] + clock == pytest.approx(0.45 * 332, rel=0.005)

    def test_rows_are_low_and_not_by_the_standing_part(self):
        for name, power in watts.powers().items():
            theirs = chip.measured()[name]["power_mW"]
            assert 0.73 * theirs < power.all < 0.85 * theirs
            assert power.standing == pytest.approx(149.4, rel=0.01)
        assert watts.powers()["CONV1"].moved < 0.45 * 332 / 2

    @pytest.mark.parametrize("name", LAYERS)
    def test_every_row_is_within_15_percent_where_spads_cost_a_mac_an_access(self, name):
        found = watts.powers()[name].all_by_accesses
        assert found == pytest.approx(chip.measured()[name]["power_mW"], rel=0.15)

    @pytest.mark.parametrize("name", LAYERS)
    def test_without_the_part_it_is_the_machine_that_ships(self, name):
        assert watts.powers()[name].all == pytest.approx(process.powers()[name][1] + 33.2)

    def test_rows_come_in_the_order_of_layers(self):
        assert tuple(watts.powers()) == LAYERS


class TestTpu:
    def test_macs_of_a_busy_array_by_hand(self):
        """65,536 MACs at 700 MHz, each of the table's price."""
        price = float(load_table("cmos_28nm").mac(tpu.machine().mac_bits))
        assert watts.watts("CNN0", tpu.peak())["MACs"] == pytest.approx(65536 * 700e6 * price * 1e-12)

    def test_12_w_lie_between_the_applications(self):
        found = {
            name: sum(part for what, part in watts.watts(name, app.tops).items() if what != watts.REST)
            for name, app in tpu.reference().items()
        }
        work = watts.BUSY - watts.IDLE
        assert work / 2 < found.pop("CNN0") < 2 * work
        assert all(power < work for power in found.values())

    def test_what_the_text_says(self):
        busy = watts.watts("CNN0", tpu.peak())
        assert 2.5 * 12 < sum(busy.values()) < 3 * 12
        machine, table = tpu.machine(), load_table("cmos_28nm")
        clock = sum(floor_of(machine, table).flip_flops) * float(table.technology.flip_flop.clock)
        assert clock * machine.clock_hz * 1e-12 == pytest.approx(4.4, abs=0.05)
