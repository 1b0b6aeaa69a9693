"""The tables of the comparison, and the generated parts of a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .comparison_models import TRUNK
from .metrics import NAMES, Interval, interval, intervals, scores, track_draws


@dataclass
class Result:
    """Posteriors `[n, classes]` of one model in one protocol, with what each clip is."""

    posterior: np.ndarray
    label: np.ndarray
    track: np.ndarray
    size: int


def quality_table(results: dict[str, Result]) -> str:
    """Every score of every model with its interval, and its accuracy less that of the trunk."""
    lines = [row("model", *NAMES, "accuracy less the trunk's"), row(*["---"] * (len(NAMES) + 2))]
    base = _draws(results[TRUNK])["accuracy"] if TRUNK in results else None
    for name, result in results.items():
        values = _draws(result)
        cells = [
            bounds(value) if key == "accuracy" else half(value) for key, value in intervals(values).items()
        ]
        known = base is not None and name != TRUNK
        difference = bounds(interval(values["accuracy"] - base), "+") if known else ""
        lines.append(row(name, *cells, difference))
    return "\n".join(lines)


def leak_table(results: dict[str, dict[str, Result]]) -> str:
    """Accuracy of the pieces by how they were split; `results` by protocol, then model."""
    protocols = ["pieces-at-random", "pieces-by-track", "pieces-by-block"]
    header = ["model", "at random", "by track", "by block of ten", "random less block"]
    lines = [row(*header), row(*["---"] * len(header))]
    names = list(dict.fromkeys(name for protocol in protocols for name in results[protocol]))
    for name in names:
        draws = {p: _draws(results[p][name])["accuracy"] for p in protocols if name in results[p]}
        cells = [bounds(interval(draws[p])) if p in draws else "–" for p in protocols]
        if protocols[0] in draws and protocols[2] in draws:
            cells.append(bounds(interval(draws[protocols[0]] - draws[protocols[2]]), "+"))
        else:
            cells.append("–")
        lines.append(row(name, *cells))
    return "\n".join(lines)


def cost_table(sizes: dict[str, int], times: dict[str, dict[str, float]]) -> str:
    """Size in kB, milliseconds a patch of the inputs and of the model, and the sum over the trunk's."""
    header = ["model", "kB", "inputs, ms", "model, ms", "together, ms", "of the trunk's"]
    lines = [row(*header), row(*["---"] * len(header))]
    trunk = sum(times[TRUNK].values())
    for name, size in sizes.items():
        if name in times:
            inputs, model = times[name]["inputs"], times[name]["model"]
            costs = [f"{value:.2f}" for value in (inputs, model, inputs + model)]
            lines.append(row(name, f"{size / 1000:.0f}", *costs, f"{(inputs + model) / trunk:.2f}"))
    return "\n".join(lines)


def replace(path: Path, name: str, text: str) -> None:
    """Puts `text` between the markers `<!-- name: begin -->` and `<!-- name: end -->` of a document."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = path.read_text(encoding="utf-8")
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"`{path}` needs one line `{begin}` and one line `{end}`")
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def row(*cells: object) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def bounds(value: Interval, sign: str = "") -> str:
    """A share as `0.73 (0.69 to 0.77)`, three digits where it matters for a bar."""
    return f"{value.value:{sign}.3f} ({value.low:{sign}.2f} to {value.high:{sign}.2f})"


def half(value: Interval) -> str:
    """A value with half the width of its interval."""
    return f"{value.value:.3f} ± {(value.high - value.low) / 2:.3f}"


def _draws(result: Result) -> dict[str, np.ndarray]:
    return scores(result.posterior, result.label, track_draws(result.track))
