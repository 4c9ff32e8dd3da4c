"""What a sweep has done, in one SQLite file: nothing is ever changed in it, and everything in it is finished.

One process writes a batch of what is done at a time, in one transaction, so that a kill at any moment leaves whole
batches; several may write to one store, as each adds only what is not there yet.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from accelsim.errors import AccelsimError, reason
from accelsim.sweep.record import Point, Record
from accelsim.version import __version__

MARK = 0x61636373
"""SQLite's application id of a store."""
SCHEMA, OLDER = 2, (1,)
"""Of what is in the tables below. Older ones are read; one that is written to becomes one of this schema, so that what
knows only the older refuses it. Others are refused. 1: nothing of what searches were to prove."""
KEPT = 4096
"""Layers that are kept by a reader."""
WAIT = 60.0
"""Seconds that a writer waits for another one."""
_TABLES = """
CREATE TABLE made_by (version TEXT NOT NULL);
CREATE TABLE documents (sha256 TEXT PRIMARY KEY, kind TEXT NOT NULL, document BLOB NOT NULL);
CREATE TABLE layers (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE points (
    key TEXT PRIMARY KEY, made TEXT NOT NULL, parameters TEXT NOT NULL, layers TEXT NOT NULL, row TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE TABLE plans (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, name TEXT NOT NULL, size INTEGER NOT NULL,
    fields TEXT NOT NULL, objectives TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE entries (plan INTEGER NOT NULL, ordinal INTEGER NOT NULL, fields TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (plan, ordinal)) WITHOUT ROWID;
CREATE TABLE crashes (id INTEGER PRIMARY KEY, plan INTEGER NOT NULL, ordinal INTEGER NOT NULL, fields TEXT NOT NULL,
    error TEXT NOT NULL);
"""


class StoredPlan(NamedTuple):
    """A sweep that a store has points of."""

    id: int
    identity: str
    name: str
    size: int
    fields: tuple[str, ...]
    objectives: tuple[str, ...]
    data: Mapping[str, Any]


class Entry(NamedTuple):
    """One point of a plan, done. layers : numbers of its layers in the store."""

    ordinal: int
    fields: dict[str, Any]
    key: str
    point: Point
    made: dict[str, Any]
    layers: tuple[int, ...]


@dataclass(frozen=True)
class Done:
    """A point that is done, ready to be written."""

    key: str
    made: Mapping[str, Any]
    parameters: Mapping[str, Any]
    layers: Sequence[str]
    point: Point
    documents: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


class StoreFullError(AccelsimError):
    """There is no room to write; what was finished before is kept."""


class Store:
    """An open store; `read_only` ones are never changed."""

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = str(path)
        self._documents: dict[str, dict[str, Any]] = {}
        self._records: dict[int, Record] = {}
        there = Path(path).is_file() and Path(path).stat().st_size > 0
        if read_only and not there:
            raise AccelsimError(f"{path}: no such store")
        if not there:
            self._check_folder()
        # a reader that may write the log too leaves no files of it behind
        mode = "rwc" if not read_only else "rw" if os.access(path, os.W_OK) else "ro"
        uri = f"file:{quote(str(Path(path).absolute()))}?mode={mode}"
        try:
            self._db = sqlite3.connect(uri, timeout=WAIT, uri=True, isolation_level=None)
            self._open(read_only)
        except sqlite3.DatabaseError as error:
            raise self._refusal(error) from None

    def _check_folder(self) -> None:
        from accelsim.report.files import check_place

        check_place(self.path)
        try:
            Path(self.path).absolute().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AccelsimError(f"{self.path}: {reason(error)}") from None

    def _open(self, read_only: bool) -> None:
        db = self._db
        if read_only:
            db.execute("PRAGMA query_only=ON")
        elif not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            # readers and a writer at once; a kill of the process loses nothing, a power cut at most the last batches
            _patiently(db, "PRAGMA journal_mode=WAL")
            with self.writing():
                if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in filter(str.strip, _TABLES.split(";")):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id={MARK}")
                    db.execute(f"PRAGMA user_version={SCHEMA}")
                    db.execute("INSERT INTO made_by VALUES (?)", (__version__,))
        if db.execute("PRAGMA application_id").fetchone()[0] != MARK:
            raise AccelsimError(f"{self.path}: is no store of sweeps")
        schema = db.execute("PRAGMA user_version").fetchone()[0]
        if schema in OLDER and not read_only:
            with self.writing():
                db.execute(f"PRAGMA user_version={SCHEMA}")
        elif schema not in (SCHEMA, *OLDER):
            by = db.execute("SELECT version FROM made_by").fetchone()[0]
            raise AccelsimError(
                f"{self.path}: a store of schema {schema}, written by version {by}; this one, {__version__}, reads "
                f"schemas {', '.join(map(str, (*OLDER, SCHEMA)))}: export it there, and sweep into another file here"
            )
        db.execute("PRAGMA synchronous=NORMAL")

    def _refusal(self, error: sqlite3.DatabaseError) -> AccelsimError:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            return StoreFullError(
                f"{self.path}: {text}: what is finished is kept; make room, and the same command goes on from there"
            )
        if isinstance(error, sqlite3.OperationalError):
            return AccelsimError(f"{self.path}: {text}")
        return AccelsimError(f"{self.path}: is no store of sweeps ({text})")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Raises AccelsimError where the disk takes no more."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError):
                raise self._refusal(error) from None
            raise

    def add_plan(self, plan: StoredPlan) -> int:
        """The number of a plan, which is written if it is new."""
        with self.writing():
            self._db.execute(
                "INSERT OR IGNORE INTO plans (identity, name, size, fields, objectives, data) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (plan.identity, plan.name, plan.size, *map(_json, (plan.fields, plan.objectives, plan.data))),
            )
        found: int = self._db.execute("SELECT id FROM plans WHERE identity=?", (plan.identity,)).fetchone()[0]
        return found

    def add_layers(self, records: Iterable[tuple[str, Record]]) -> None:
        """Within `writing`: what is not there yet."""
        rows = [(key, record.to_json()) for key, record in records]
        self._db.executemany("INSERT OR IGNORE INTO layers (key, record) VALUES (?, ?)", rows)

    def add_point(self, done: Done) -> None:
        """Within `writing`: a point, whose layers are there."""
        for key, (kind, document) in done.documents.items():
            if not self._db.execute("SELECT 1 FROM documents WHERE sha256=?", (key,)).fetchone():
                packed = zlib.compress(_json(document).encode())
                self._db.execute("INSERT OR IGNORE INTO documents VALUES (?, ?, ?)", (key, kind, packed))
        ids = [self._db.execute("SELECT id FROM layers WHERE key=?", (key,)).fetchone()[0] for key in done.layers]
        self._db.execute(
            "INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?, ?, ?)",
            (done.key, *map(_json, (done.made, done.parameters, ids, done.point.row)), done.point.error),
        )

    def add_entry(self, plan: int, ordinal: int, fields: Mapping[str, Any], key: str) -> None:
        """Within `writing`: that a plan has this point."""
        self._db.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)", (plan, ordinal, _json(fields), key))

    def add_crash(self, plan: int, ordinal: int, fields: Mapping[str, Any], error: str) -> None:
        """Within `writing`: that a point failed in a way that another try may not."""
        row = (plan, ordinal, _json(fields), error)
        self._db.execute("INSERT INTO crashes (plan, ordinal, fields, error) VALUES (?, ?, ?, ?)", row)

    def has_point(self, key: str) -> bool:
        """Whether a point is done, by whichever plan."""
        return self._db.execute("SELECT 1 FROM points WHERE key=?", (key,)).fetchone() is not None

    def layer(self, key: str) -> Record | None:
        """The record of a layer, if it is done."""
        found = self._db.execute("SELECT record FROM layers WHERE key=?", (key,)).fetchone()
        return Record.from_json(found[0]) if found else None

    def done(self, plan: int) -> Iterator[int]:
        """The ordinals of a plan that are done, in order; a few at a time."""
        last = -1
        while rows := self._db.execute(
            "SELECT ordinal FROM entries WHERE plan=? AND ordinal>? ORDER BY ordinal LIMIT 1000", (plan, last)
        ).fetchall():
            yield from (row[0] for row in rows)
            last = rows[-1][0]

    def plans(self) -> list[StoredPlan]:
        """All sweeps that have been run into the store, the first one first."""
        rows = self._db.execute("SELECT id, identity, name, size, fields, objectives, data FROM plans ORDER BY id")
        return [
            StoredPlan(
                number, identity, name, size, tuple(json.loads(fields)), tuple(json.loads(aims)), json.loads(data)
            )
            for number, identity, name, size, fields, aims, data in rows
        ]

    def plan(self, identity: str | None = None) -> StoredPlan:
        """One sweep, by what identifies it, or the last one. Raises AccelsimError where there is none."""
        found = [plan for plan in self.plans() if identity in (None, plan.identity)]
        if not found:
            raise AccelsimError(f"{self.path}: has no point of this sweep")
        return found[-1]

    def entries(self, plan: int) -> Iterator[Entry]:
        """The points of a plan that are done, in its order; a few at a time."""
        last = -1
        while rows := self._db.execute(
            "SELECT e.ordinal, e.fields, e.key, p.row, p.error, p.made, p.layers FROM entries e "
            "JOIN points p ON p.key=e.key WHERE e.plan=? AND e.ordinal>? ORDER BY e.ordinal LIMIT 500",
            (plan, last),
        ).fetchall():
            for ordinal, fields, key, row, error, made, layers in rows:
                point = Point(json.loads(row), error)
                yield Entry(ordinal, json.loads(fields), key, point, json.loads(made), tuple(json.loads(layers)))
            last = rows[-1][0]

    def rows_of(self, plan: int, first: int, end: int) -> dict[int, dict[str, Any]]:
        """The metrics of the points of a plan with these ordinals that are done and have some."""
        rows = self._db.execute(
            "SELECT e.ordinal, p.row FROM entries e JOIN points p ON p.key=e.key "
            "WHERE e.plan=? AND e.ordinal>=? AND e.ordinal<?",
            (plan, first, end),
        )
        return {ordinal: json.loads(row) for ordinal, row in rows}

    def crashes(self, plan: int) -> list[tuple[int, dict[str, Any], str]]:
        """(ordinal, fields, error) of points that are not done because something broke, the last try of each."""
        rows = self._db.execute(
            "SELECT ordinal, fields, error FROM crashes WHERE id IN (SELECT max(id) FROM crashes WHERE plan=? "
            "GROUP BY ordinal) AND ordinal NOT IN (SELECT ordinal FROM entries WHERE plan=?) ORDER BY ordinal",
            (plan, plan),
        )
        return [(ordinal, json.loads(fields), error) for ordinal, fields, error in rows]

    def record(self, number: int) -> Record:
        """A layer by its number; the last some thousand are kept, as points share layers."""
        if number not in self._records:
            if len(self._records) >= KEPT:
                self._records.clear()
            row = self._db.execute("SELECT record FROM layers WHERE id=?", (number,)).fetchone()
            self._records[number] = Record.from_json(row[0])
        return self._records[number]

    def document(self, sha256: str) -> dict[str, Any]:
        """A machine, a network or an energy table by its hash; the last few are kept."""
        if sha256 in self._documents:
            return self._documents[sha256]
        row = self._db.execute("SELECT document FROM documents WHERE sha256=?", (sha256,)).fetchone()
        found: dict[str, Any] = json.loads(zlib.decompress(row[0]))
        if len(self._documents) > 32:
            self._documents.clear()
        self._documents[sha256] = found
        return found

    def find(self, key: str) -> tuple[str, dict[str, Any], dict[str, Any], Point]:
        """(key, made, parameters, point) of a point by its key, or by the beginning of it that no other has."""
        rows = self._db.execute(
            "SELECT key, made, parameters, row, error FROM points WHERE key>=? AND key<? LIMIT 2", (key, f"{key}g")
        ).fetchall()
        if len(rows) != 1 or not key:
            raise AccelsimError(f"{self.path}: {'several points begin' if rows else 'no point begins'} with '{key}'")
        found, made, parameters, row, error = rows[0]
        return found, json.loads(made), json.loads(parameters), Point(json.loads(row), error)

    def layers_of(self, key: str) -> list[Record]:
        """The layers of a point, by its whole key, in its order."""
        row = self._db.execute("SELECT layers FROM points WHERE key=?", (key,)).fetchone()
        return [self.record(number) for number in json.loads(row[0])]

    def counts(self, plan: int) -> dict[str, int]:
        """How many points of a plan are done, failed among them; layers of the whole store."""
        one = self._db.execute(
            "SELECT count(*), coalesce(sum(p.error<>''), 0) FROM entries e JOIN points p ON p.key=e.key WHERE e.plan=?",
            (plan,),
        ).fetchone()
        layers = self._db.execute("SELECT count(*) FROM layers").fetchone()[0]
        return {"done": one[0], "failed": one[1], "crashed": len(self.crashes(plan)), "layers": layers}


def _patiently(db: sqlite3.Connection, statement: str) -> None:
    """Carry out what SQLite does not wait for by itself, when another process makes the same store."""
    end = time.monotonic() + WAIT
    while True:
        try:
            db.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
