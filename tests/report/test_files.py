"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.files import check_place, replacing, write_text


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


def test_places_are_checked_before_a_run_and_nothing_is_made(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for place, folder, message in [
        ("folder", False, "Is a directory"),
        ("file", True, "is no folder"),
        ("file/below/x", False, "is no folder"),
        ("x" * 300, False, "File name too long"),
        ("a\0b", True, "embedded null byte"),
    ]:
        with pytest.raises(AccelsimError, match=message):
            check_place(tmp_path / place, folder=folder)
    check_place(tmp_path / "new/er/file.png")
    check_place(tmp_path / "new/er", folder=True)
    check_place(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_nothing_can_be_written_into(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(AccelsimError, match="nothing can be written into"):
        check_place(tmp_path / "x.png")
