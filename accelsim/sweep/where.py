"""Constraints between fields: expressions such as ``pes == 256`` or ``abs(area_mm2 - 2) <= 0.1``, read once.

They are Python's arithmetic, comparisons, `and`, `or` and `not` over numbers and names, parsed by `ast`; nothing else
is carried out.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from accelsim import quantities
from accelsim.errors import AccelsimError
from accelsim.yamlfile import hint

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARED: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}
MOST_LETTERS = 500


@dataclass(frozen=True)
class Constraint:
    """One expression. names : the fields it speaks of."""

    text: str
    tree: ast.expr = field(compare=False)
    names: tuple[str, ...]

    @staticmethod
    def of(text: object) -> Constraint:
        """Read one. Raises ValueError, one line."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"should be an expression such as 'pes == 256', got {quantities.short(text)}")
        if len(text) > MOST_LETTERS:
            raise ValueError(f"an expression has at most {MOST_LETTERS} letters, got {len(text):,}")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"'{quantities.short(text)}' cannot be read; write such as 'pes == 256'") from None
        found: dict[str, None] = {}
        _check(tree, found)
        return Constraint(text.strip(), tree, tuple(found))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is met. Raises AccelsimError, one line, for a name that has no value here."""
        try:
            return bool(_value(self.tree, values))
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise AccelsimError(f"'{self.text}': {error}") from None
        except KeyError as error:
            name = str(error.args[0])
            raise AccelsimError(f"'{self.text}': no '{name}' here{hint(name, sorted(values))}") from None


def dotted(tree: ast.expr) -> str:
    """``levels.GLB.capacity`` of the attributes it is parsed as; '' for anything else."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute) and (before := dotted(tree.value)):
        return f"{before}.{tree.attr}"
    return ""


def _check(tree: ast.expr, names: dict[str, None]) -> None:
    """Note the names of an expression; raise ValueError for what is no part of one."""
    below: list[ast.expr] = []
    if name := dotted(tree):
        names[name] = None
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, int | float | str):
        return
    elif isinstance(tree, ast.BinOp) and type(tree.op) in _BINARY:
        below = [tree.left, tree.right]
    elif isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not | ast.USub):
        below = [tree.operand]
    elif isinstance(tree, ast.BoolOp):
        below = tree.values
    elif isinstance(tree, ast.Compare) and all(type(op) in _COMPARED for op in tree.ops):
        below = [tree.left, *tree.comparators]
    elif isinstance(tree, ast.Call) and dotted(tree.func) in _FUNCTIONS and not tree.keywords and tree.args:
        below = tree.args
    else:
        known = "+ - * / // %, comparisons, and, or, not, abs, min, max"
        raise ValueError(f"'{quantities.short(ast.unparse(tree))}' is no part of a constraint ({known})")
    for one in below:
        _check(one, names)


def _value(tree: ast.expr, values: Mapping[str, Any]) -> Any:
    if name := dotted(tree):
        return number(values[name])
    if isinstance(tree, ast.Constant):
        return number(tree.value)
    if isinstance(tree, ast.BinOp):
        return _BINARY[type(tree.op)](_value(tree.left, values), _value(tree.right, values))
    if isinstance(tree, ast.UnaryOp):
        inner = _value(tree.operand, values)
        return not inner if isinstance(tree.op, ast.Not) else -inner
    if isinstance(tree, ast.BoolOp):
        each = (bool(_value(one, values)) for one in tree.values)
        return all(each) if isinstance(tree.op, ast.And) else any(each)
    if isinstance(tree, ast.Compare):
        sides = [_value(one, values) for one in (tree.left, *tree.comparators)]
        return all(_COMPARED[type(op)](a, b) for op, a, b in zip(tree.ops, sides, sides[1:], strict=False))
    assert isinstance(tree, ast.Call)
    return _FUNCTIONS[dotted(tree.func)](*(_value(one, values) for one in tree.args))


def number(value: Any) -> Any:
    """What a field counts as: a size in bytes, a frequency in Hz, a time in s; other text is itself."""
    if not isinstance(value, str):
        return float(value) if isinstance(value, Fraction) else value
    for read in (quantities.size, quantities.frequency, quantities.duration):
        try:
            found = read(value)
        except ValueError:
            continue
        if isinstance(found, Fraction):
            return float(found)
        return float(found.value / 8 if found.unit == "b" else found.value)
    return value
