"""The sources' figures, as they ship in accelsim/reference."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "reference"


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one csv file, column -> text; lines that begin with # say where it is from."""
    lines = (FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def document(name: str) -> Any:
    """The plain data of one YAML file."""
    from accelsim.yamlfile import read

    return read(FOLDER / f"{name}.yaml").data
