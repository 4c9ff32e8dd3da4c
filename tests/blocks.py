"""What README, CONTRIBUTING and docs/ show between fences, and the commands within their sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
HERE = re.compile(r"cat > (\S+) <<'EOF'\n(.*?)\nEOF\n", re.DOTALL)


class Block(NamedTuple):
    """Text between fences, or a command within a sentence."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(path: Path) -> str:
    """As a page is called in a test's name: from docs/ on."""
    return path.relative_to(ROOT).as_posix().removeprefix("docs/")


def blocks(*languages: str) -> list[Block]:
    """Those of these languages, on all pages; a command within a sentence is `inline`."""
    return [block for path in PAGES for block in of_page(path) if block.language in languages]


def of_page(path: Path) -> Iterator[Block]:
    """In their order. A fence without a language is `text`."""
    page, language, begun, inside = name_of(path), "", 0, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip().startswith("```"):
            if language:
                yield Block(page, begun, language, "\n".join(inside) + "\n")
            language, begun, inside = ("" if language else line.strip("` ") or "text"), number, []
        elif language:
            inside.append(line)
        else:
            yield from (Block(page, number, "inline", found) for found in re.findall(r"`(accelsim [^`]+)`", line))


def heredocs() -> list[tuple[Block, str, str]]:
    """The files that a page has its reader write: (block, name, content)."""
    return [(block, name, body + "\n") for block in blocks("sh") for name, body in HERE.findall(block.text)]


def lines_of(block: Block) -> list[str]:
    """What is typed, line by line: files left out, and of a `console` all but what follows a prompt."""
    lines = HERE.sub("", block.text).splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")] if block.language == "console" else lines


def redirected() -> set[str]:
    """The files that commands write their output to."""
    return {name for block in blocks("console") for name in re.findall(r" > (\S+)$", block.text, re.MULTILINE)}


def commands() -> Iterator[tuple[str, list[str]]]:
    """(where, words after `accelsim`) of every command in fences and in sentences."""
    for block in blocks("sh", "console", "inline"):
        for line in lines_of(block):
            for part in re.split(r"&&|\||>.*", line):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "accelsim" and len(words) > 1 and words[1][0] != "-":
                    yield f"{block} {' '.join(words[1:])}", words[1:]


def meant(name: str) -> bool:
    """Whether a word is itself, not a placeholder such as ARCH."""
    return not re.fullmatch(r"[A-Z_.]+", name)
