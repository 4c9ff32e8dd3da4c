"""Pictures of a fused attention are their data; the data are what is counted."""

from __future__ import annotations

import pytest

from accelsim.engine.fused.attention import Attention, Blocks, moved
from accelsim.errors import AccelsimError
from accelsim.report.plot_attention import CALLED, Cell, blocks_data, walks, words_by_room, words_data

SMALL = Attention(4, 4, 2, 2, causal=True)


def test_blocks_come_in_their_order() -> None:
    assert blocks_data(SMALL, Blocks(2, 2)) == [Cell(1, 0, 0, 2, 2), Cell(2, 2, 0, 2, 2), Cell(3, 2, 2, 2, 2)]
    three = blocks_data(Attention(4, 4, 2, 2), Blocks(3, 2, "columns"))
    assert [(cell.row, cell.column, cell.rows) for cell in three] == [(0, 0, 3), (3, 0, 1), (0, 2, 3), (3, 2, 1)]


def test_boxes_are_blocks_and_what_is_hidden() -> None:
    axes = walks(SMALL, [Blocks(2, 2), Blocks(2, 2, "columns")])
    boxes = [(patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) for patch in axes.patches]
    # a frame, three blocks and three rows that do not see all, twice; the second a matrix and 15 % further
    assert boxes[:7] == [
        (0, 0, 4, 4), (0, 0, 2, 2), (0, 2, 2, 2), (2, 2, 2, 2), (1, 0, 3, 1), (2, 1, 2, 1), (3, 2, 1, 1)
    ]  # fmt: skip
    assert [x for x, *_ in boxes[7:]] == pytest.approx([4.6 + x for x, *_ in boxes[:7]])
    assert [text.get_text() for text in axes.texts] == [
        "1", "2", "3", CALLED["rows"], "1", "2", "3", CALLED["columns"]
    ]  # fmt: skip


def test_lines_are_the_best_blocks() -> None:
    shape, rooms = Attention(64, 64, 8, 8), [100, 200, 400, 4000]
    rows = words_data(shape, rooms, 3)
    axes = words_by_room(shape, rooms, 3)
    for name, line in zip(CALLED, axes.lines, strict=False):
        own = [(row["room"], row["words"]) for row in rows if row["order"] == name]
        assert list(zip(*line.get_data(), strict=True)) == own
        assert own[-1][1] == 3 * shape.least
    assert [line.get_ydata()[0] for line in axes.lines[3:]] == [3 * shape.unfused, 3 * shape.least]


def test_the_line_of_rows_is_what_is_moved() -> None:
    shape = Attention(64, 64, 8, 8)
    (row,) = [row for row in words_data(shape, [300]) if row["order"] == "rows"]
    # blocks of 13 rows and one column take 13 * 19 + 16 = 263 words, five of them read all keys and values
    assert row["words"] == moved(shape, Blocks(13, 1)).words == 2 * 64 * 8 + 5 * 64 * 16


def test_what_is_refused() -> None:
    with pytest.raises(AccelsimError) as error:
        blocks_data(Attention(64, 64, 2, 2), Blocks(1, 1))
    assert str(error.value) == "4,096 blocks: a picture has 400, take larger ones"
