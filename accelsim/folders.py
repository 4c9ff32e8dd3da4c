"""Folders with files of one's own: those on ``ACCELSIM_PATH``, and those that installed packages have."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from accelsim.errors import AccelsimError, listing, plain

PATH = "ACCELSIM_PATH"
"""Folders, the first of which goes before the others, separated as in ``PATH``."""
GROUP = "accelsim.files"
"""Entry points of packages that have files: ``mine = "mine.accelsim"`` is the folder of that package."""
KINDS = {
    "arch": "arch",
    "package": "packages",
    "workload": "workloads",
    "mapping": "mappings",
    "energy": "energy",
    "dataflow": "dataflows",
    "sweep": "sweeps",
    "space": "spaces",
}
"""What the folder of each kind of file is called below such a folder."""


class Folder(NamedTuple):
    """One folder, and how it is known."""

    path: Path
    origin: str


def own(kind: str) -> tuple[Folder, ...]:
    """The folders that may have files of a kind, the first going before the others.

    Raises AccelsimError for one that is named and is not there, or has nothing that could be read.
    """
    named = os.environ.get(PATH, "")
    folders = [*(_on_path(one) for one in named.split(os.pathsep) if one.strip()), *_of_packages()]
    return tuple(Folder(folder.path / KINDS[kind], folder.origin) for folder in folders)


def _on_path(text: str) -> Folder:
    try:
        path = Path(text.strip()).expanduser().absolute()
    except RuntimeError:  # no home
        path = Path(text)
    return _checked(Folder(path, PATH), f"{PATH}: '{plain(text)}'")


@cache
def _of_packages() -> tuple[Folder, ...]:
    """Looked for once: packages do not come while a program runs."""
    from importlib import metadata, util

    found = []
    for point in sorted(metadata.entry_points(group=GROUP)):
        what = f"entry point '{point.name}' of {GROUP}"
        try:
            spec = util.find_spec(point.module)
        except (ImportError, ValueError) as error:
            raise AccelsimError(f"{what}: {plain(str(error))}") from None
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            raise AccelsimError(f"{what}: there is no package '{plain(point.module)}'")
        package = point.dist.name if point.dist else point.module
        found += [_checked(Folder(Path(place), f"package {package}"), what) for place in places]
    return tuple(found)


def _checked(folder: Folder, what: str) -> Folder:
    if not os.path.isdir(folder.path):  # noqa: PTH112  (pathlib raises)
        raise AccelsimError(f"{what}: no such folder")
    if not any((folder.path / name).is_dir() for name in KINDS.values()):
        raise AccelsimError(f"{what}: has none of the folders {listing(list(KINDS.values()))}")
    return folder
