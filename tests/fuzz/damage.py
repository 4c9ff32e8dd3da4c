"""Ways to spoil a file: its tree and its text, each drawn from a seed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

WHOLE = [
    0,
    -1,
    1,
    2,
    3,
    7,
    63,
    64,
    65,
    2**31 - 1,
    2**31,
    2**32,
    2**53 + 1,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    10**20,
    10**30,
    10**99,
]
LETTERS = [
    "",
    " ",
    "x",
    "x" * 201,
    "y" * 3000,
    "é",
    "漢字",
    "\u202eabc",
    "a\tb",
    "a\nb",
    "\x1b[31m",
    "\U0001f600",
    "$\\frac{a$",
    "%s{0}",
    "..",
    "/",
    "a.b",
    "null",
    "yes",
    "input",
    "N",
    "1e5",
    "true",
    "NaN",
    "\ud800",
]
UNITS = [
    "b",
    "B",
    "words",
    "KiB",
    "GiB",
    "TiB",
    "GB/s",
    "b/s",
    "MHz",
    "GHz",
    "Hz",
    "ns",
    "us",
    "ps",
    "cycles",
    "",
    "KB",
    "word/s",
    "pJ",
]
NUMBERS = [
    "0",
    "-1",
    "1",
    "3",
    "0.5",
    "1e-9",
    "1e9",
    "1e30",
    "1e99",
    "1e999",
    "9" * 30,
    "9" * 90,
    "1/3",
    ".",
    "+5",
    "١٢",
    "1_000",
    "inf",
    "nan",
]
TEXT = [
    "!!bool abc",
    "!!int ''",
    "!!float ''",
    "!!set {a}",
    "!x y",
    "&a [*a]",
    "*a",
    "{<<: *a}",
    "<<: {a: 1}",
    '"\\U7fffffff"',
    '"\\ud800"',
    '"\\0"',
    "? [a]",
    "---",
    "...",
    "%YAML 1.1",
    "12:30:45",
    "2001-01-01",
    "0x" + "f" * 5000,
    "0o7" + "7" * 5000,
    "9" * 5000,
    "|",
    ">",
    "\t",
    "\x00",
    "\ufeff",
    "[" * 60,
    "{a: " * 60,
    "- " * 60,
    "'",
    '"',
    "#",
    ": ",
    ", ",
    "\r\n",
    "\x85",
    "\u2028",
    ".inf",
    ".nan",
    "~",
    "@",
    "`",
]


def value(random: Random) -> Any:
    """One that a file may hold where it should not."""
    return random.choice(
        [
            lambda: random.choice(WHOLE),
            lambda: random.choice(WHOLE),
            lambda: random.choice([0.5, -0.0, 1e308, 1e-308, 2.0, 1e18, -3.5]),
            lambda: random.choice(LETTERS),
            lambda: f"{random.choice(NUMBERS)} {random.choice(UNITS)}",
            lambda: f"{random.choice(NUMBERS)} {random.choice(UNITS)}",
            lambda: random.choice([None, True, False, [], {}, [1], [[]], {"a": 1}, ["ifmap", "ifmap"], [None]]),
            lambda: (
                f"{random.choice('NGMCPQRSX')}{random.choice(WHOLE)} {random.choice('NGMCPQRS')}{random.choice(WHOLE)}"
            ),
            lambda: random.choice(["$rows", "$x * $y", "512 B * $rows", "$", "ifmap + psum", "ifmap", "psum"]),
        ]
    )()


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, below in pairs:
        found += [(tree, key), *places(below)]
    return found


def spoil(tree: Any, random: Random) -> Any:
    """A tree with one to three things changed: dropped, renamed, moved, repeated, given another value."""
    tree = json.loads(json.dumps(tree))
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        found = places(tree)
        if not found:
            return value(random)
        inside, key = random.choice(found)
        other, other_key = random.choice(found)
        way = random.randrange(8)
        if way == 0:
            del inside[key]
        elif way == 1 and isinstance(inside, dict):
            inside[str(random.choice([*LETTERS, f"{key}s", key.upper()]))] = inside.pop(key)
        elif way == 2:
            inside[key] = json.loads(json.dumps(other[other_key]))
        elif way == 3 and isinstance(inside, list):
            inside.extend([inside[key]] * random.choice([1, 2, 40]))
        elif way == 4 and isinstance(inside[key], int) and not isinstance(inside[key], bool):
            inside[key] = inside[key] * random.choice([-1, 2, 10, 10**3, 10**6, 10**12]) + random.choice([0, 0, 1, -1])
        else:
            inside[key] = value(random)
    return tree


def text_of(tree: Any) -> str:
    """A tree as YAML: JSON is."""
    return json.dumps(tree)


def scribble(text: str, random: Random) -> bytes:
    """A text with letters, lines and bytes changed."""
    for _ in range(random.choice([1, 1, 2, 4])):
        lines = text.split("\n")
        at, line = random.randrange(len(text) + 1), random.randrange(len(lines))
        way = random.randrange(7)
        if way == 0:
            text = text[:at]
        elif way == 1:
            text = text[:at] + random.choice(TEXT) + text[at:]
        elif way == 2:
            before, colon, _ = lines[line].partition(": ")
            lines[line] = before + colon + random.choice([*TEXT, str(value(random))])
            text = "\n".join(lines)
        elif way == 3:
            text = "\n".join([*lines[:line], *lines[line + 1 :]])
        elif way == 4:
            text = "\n".join([*lines[: line + 1], *lines[line:]])
        elif way == 5:
            text = "\n".join([*lines[:line], " " * random.randrange(9) + lines[line].strip(), *lines[line + 1 :]])
        else:
            text = text[:at] + text[at + random.choice([1, 1, 5, 50]) :]
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data and random.random() < 0.1:
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)
