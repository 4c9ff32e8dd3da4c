"""Reading JSON that anyone may have written: bounded in size, depth and digits, one line for what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, reason
from accelsim.yamlfile import shown

MOST_BYTES = 2**28
MOST_DIGITS = 30
ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
"""Halves of a character, which may lack the other half."""


def read_json(file: str | Path) -> Any:
    """The data of a JSON file. Raises AccelsimError, one line."""
    path = shown(file)
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise AccelsimError(f"{path}: too large for a result: more than {MOST_BYTES:,} bytes")
        found = json.loads(data.decode("utf-8-sig"), parse_int=_integer, parse_constant=_no_number)
        if ESCAPED.search(data):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except RecursionError:
        raise AccelsimError(f"{path}: not JSON: nested too deeply") from None
    except OSError as error:
        raise AccelsimError(f"{path}: {reason(error)}") from None
    except UnicodeEncodeError:
        raise AccelsimError(f"{path}: not JSON: half of a character (a lone surrogate)") from None
    except UnicodeDecodeError as error:
        raise AccelsimError(f"{path}: not a text file: byte {error.start} is not UTF-8") from None
    except ValueError as error:
        raise AccelsimError(f"{path}: not JSON: {error}") from None


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"an integer of {len(text):,} digits; allowed are {MOST_DIGITS}")
    return int(text)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")
