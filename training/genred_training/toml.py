"""Writing the little TOML that bundles need; the standard library only reads it."""

from __future__ import annotations

import json
import re

LINE = 90


def string(value: str) -> str:
    """A basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(value, ensure_ascii=False)


def array(values: list[str]) -> str:
    """An array of strings, on several lines where it would be long."""
    line = ", ".join(string(v) for v in values)
    if len(line) <= LINE:
        return f"[{line}]"
    rows, row = [], ""
    for value in values:
        item = string(value) + ","
        if row and len(row) + len(item) > LINE:
            rows.append(row)
            row = ""
        row = f"{row} {item}" if row else item
    return "[\n" + "".join(f"  {row}\n" for row in [*rows, row]) + "]"


def document(top: dict[str, str], tables: dict[str, dict[str, str]]) -> str:
    """A document of formatted values: keys of the root, then one table after the other."""
    blocks = ["".join(f"{_key(k)} = {v}\n" for k, v in top.items())]
    for name, entries in tables.items():
        lines = "".join(f"{_key(k)} = {v}\n" for k, v in entries.items())
        blocks.append(f"[{name}]\n{lines}")
    return "\n".join(blocks)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else string(key)
