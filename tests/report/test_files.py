"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.files import replacing, write_text


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")

    def interrupted():
        with replacing(path) as temporary:
            Path(temporary).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "x")
    assert (tmp_path / "a" / "b.txt").read_text() == "x"


def test_what_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AccelsimError, match="file/x"):
        write_text(tmp_path / "file" / "x", "")
