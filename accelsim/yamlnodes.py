"""YAML text into a tree of nodes, read as a stream of events so that no text is too large, deep or wide to refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from accelsim.errors import Issue, SpecError, plain

MOST_LETTERS = 2**20
"""Of one file; a network of 5,000 layers takes a third of it."""
MOST_DEPTH = 50
MOST_NODES = 100_000
"""Keys, values, lists and mappings of one file, each alias counted as often as what it stands for."""
MOST_DIGITS = 100
MOST_TEXT = 10_000
"""Letters of one value."""

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {text: text[0] in "tT" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT = re.compile(r"([-+]?)(?:0b([01_]+)|0o([0-7_]+)|0x([0-9a-fA-F_]+)|([0-9][0-9_]*))")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)"
)
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_PREFIX = "tag:yaml.org,2002:"
_TAGS: dict[str, tuple[type, ...]] = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (float, int)}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_PAST_UNICODE = re.compile(r"\\U(?!000|0010)[0-9a-fA-F]{8}")


class Mark(NamedTuple):
    """A position in a file, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """One value of a document.

    value : a scalar, or None. text : the scalar as it is written. items : of a list; of a mapping its keys and values
    in turn. wrong : what is wrong with it alone. placed : it is written somewhere, not left out.
    size, height : how many nodes it is with all below it, and how many collections it nests.
    """

    mark: Mark
    kind: str = "scalar"
    value: Any = None
    text: str = ""
    plain: bool = False
    items: list[Node] = field(default_factory=list)
    wrong: str = ""
    placed: bool = True
    open: bool = False
    size: int = 1
    height: int = 0


def scalar(text: str) -> Any:
    """What a word without quotes or tag stands for, by YAML 1.2: null, a bool, an int, a float or itself.

    Raises ValueError for an integer of more than 100 digits.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if match := _INT.fullmatch(text):
        sign, *bases = match.groups()
        digits, base = next((found, base) for found, base in zip(bases, (2, 8, 16, 10), strict=True) if found)
        digits = digits.replace("_", "")
        if not digits:
            return text
        if len(digits) > MOST_DIGITS:
            raise ValueError(f"an integer of {len(digits):,} digits; at most {MOST_DIGITS} are read")
        return int(sign + digits, base)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def read_nodes(text: str, file: str) -> Node:
    """The one document in a text; raises SpecError, one line, for what is not YAML or too large to be read."""
    if len(text) > MOST_LETTERS:
        raise _refusal(file, f"too large: more than {MOST_LETTERS:,} letters")
    tree = _Tree(file)
    for event in _events(text, file):
        tree.add(event)
    if tree.root is None:
        raise _refusal(file, "the file is empty", Mark(1, 1))
    return tree.root


class _Tree:
    """A document that grows event by event; nothing recurses, and every bound is checked before it is passed."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.stack: list[Node] = []
        self.anchors: dict[str, Node] = {}
        self.count = 0

    def add(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "ScalarEvent":
            self.place(self.anchored(event, _scalar_node(event)), event)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            kind = "list" if kind == "SequenceStartEvent" else "mapping"
            node = Node(_mark(event.start_mark), kind, open=True)
            if event.tag not in (None, "!", f"{_PREFIX}{'seq' if kind == 'list' else 'map'}"):
                node.wrong = _no_tag(event.tag)
            self.place(self.anchored(event, node), event)
            self.stack.append(node)
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            node = self.stack.pop()
            node.open = False
            node.size = 1 + sum(item.size for item in node.items)
            node.height = 1 + max((item.height for item in node.items), default=0)
        elif kind == "AliasEvent":
            self.place(self.alias(event), event)
        elif kind == "DocumentStartEvent":
            self.document(event)

    def document(self, event: Any) -> None:
        if self.root is not None:
            self.refuse(event, "not YAML of one document: another one begins here")
        if event.version not in (None, (1, 2)):
            version = ".".join(map(str, event.version))
            self.refuse(event, f"%YAML {version}: files are read as YAML 1.2; leave that line out")

    def anchored(self, event: Any, node: Node) -> Node:
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            self.refuse(event, f"not YAML: found undefined alias '{event.anchor}'")
        return Node(_mark(event.start_mark), wrong="an alias that contains itself") if node.open else node

    def place(self, node: Node, event: Any) -> None:
        """Hang a node where the document has grown to."""
        self.count += node.size
        if self.count > MOST_NODES:
            aliases = " with each alias written out" if self.anchors else ""
            self.refuse(event, f"too large: more than {MOST_NODES:,} keys and values{aliases}")
        # a collection that opens is one level deeper than the height it has so far
        if len(self.stack) + max(node.height, node.open) > MOST_DEPTH:
            self.refuse(event, f"nested too deeply: more than {MOST_DEPTH} levels")
        if self.stack:
            self.stack[-1].items.append(node)
        else:
            self.root = node

    def refuse(self, event: Any, message: str) -> NoReturn:
        raise _refusal(self.file, message, _mark(event.start_mark))


def _events(text: str, file: str) -> Iterator[Any]:
    """What ruamel's parser finds, one by one; whatever it raises as one line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except SpecError:
        raise
    except MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        raise _refusal(file, f"not YAML: {error.problem or error.context}", _mark(found) if found else None) from None
    except ReaderError as error:
        at = _position(text, error.position)
        raise _refusal(file, f"not YAML: the character U+{int(error.character):04X} cannot stand in it", at) from None
    except Exception as error:
        # escapes and directives are turned into numbers and letters unchecked: there is no end to what that raises
        past = _PAST_UNICODE.search(text)
        place = _position(text, past.start()) if past else None
        reason = "an escape past U+10FFFF, the last letter there is" if past else str(error) or type(error).__name__
        raise _refusal(file, f"not YAML: {reason}", place) from None


def _scalar_node(event: Any) -> Node:
    node = Node(_mark(event.start_mark), plain=event.style in (None, "") and event.tag is None)
    # a value left out begins where it ends
    node.placed = event.start_mark.index != event.end_mark.index
    try:
        node.text = node.value = _letters(event.value)
        if node.plain:
            node.value = scalar(node.text)
        elif event.tag not in (None, "!", f"{_PREFIX}str"):
            node.value = _tagged(event.tag, node.text)
    except ValueError as error:
        node.value, node.wrong = None, str(error)
    return node


def _letters(text: str) -> str:
    """A text whose letters all exist, JSON's escaped pairs of surrogates joined."""
    if len(text) > MOST_TEXT:
        raise ValueError(f"a text of {len(text):,} letters; at most {MOST_TEXT:,} are read")
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}")
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise ValueError("holds half of a surrogate pair, which is no letter") from None


def _tagged(tag: str, text: str) -> Any:
    name = tag.removeprefix(_PREFIX)
    if name not in _TAGS or name == tag:
        raise ValueError(_no_tag(tag))
    value: Any = scalar(text)
    if not isinstance(value, _TAGS[name]) or (isinstance(value, bool) and name != "bool"):
        raise ValueError(f"'{text}' is no !!{name}")
    return float(text.replace("_", "")) if name == "float" and isinstance(value, int) else value


def _no_tag(tag: str) -> str:
    shown = f"!!{tag.removeprefix(_PREFIX)}" if tag.startswith(_PREFIX) else tag
    return f"the tag '{shown}' says nothing here; leave it out (!!str, !!int, !!float, !!bool, !!null are read)"


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _position(text: str, index: int) -> Mark:
    return Mark(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _refusal(file: str, message: str, mark: Mark | None = None) -> SpecError:
    return SpecError([Issue(file, "", plain(message), *(mark or (None, None)))])
