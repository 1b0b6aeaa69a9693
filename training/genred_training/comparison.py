"""Compares models on the same labelled cuts and the same folds, and writes the tables of docs/models.md.

    python -m genred_training.comparison --index gtzan-cuts.csv --work FOLDER --write ../docs/models.md

The program that makes the inputs is `--genred`; it finds its models and ONNX Runtime through
`GENRED_MODELS` and `ORT_DYLIB_PATH`. What was made lies in the work folder and is not made again:
inputs, the posteriors of each model and protocol, and times.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import comparison_models, comparison_networks, comparison_tables
from .clips import Clips, Split, grouped_folds, load_clips, pieces, published_split, random_folds
from .comparison_features import Features
from .comparison_models import Recipe, Training

# One line adds a model: its name, one of the kinds of `Features.get`, and its fit.
RECIPES: list[Recipe] = [*comparison_models.RECIPES, *comparison_networks.RECIPES]


@dataclass
class Protocol:
    """How clips become training and test clips, and what inner folds must not split."""

    name: str
    clips: str
    folds: Callable[[Clips], list[Split]]
    group: Callable[[Clips], np.ndarray]


def _each_its_own(clips: Clips) -> np.ndarray:
    return np.arange(len(clips.label))


PROTOCOLS = [
    Protocol("blocks", "cuts", lambda c: grouped_folds(c.label, c.block), lambda c: c.block),
    Protocol("published", "cuts", published_split, lambda c: c.block),
    Protocol("pieces-at-random", "pieces", lambda c: random_folds(c.label), _each_its_own),
    Protocol("pieces-by-track", "pieces", lambda c: grouped_folds(c.label, c.track), lambda c: c.track),
    Protocol("pieces-by-block", "pieces", lambda c: grouped_folds(c.label, c.block), lambda c: c.block),
]


def evaluate(recipe: Recipe, protocol: Protocol, features: Features) -> tuple[np.ndarray, np.ndarray, int]:
    """Which clips were tested, their posteriors `[n, classes]`, and the largest fitted size in bytes."""
    clips = features.clips
    inputs, group = features.get(recipe.inputs), protocol.group(clips)
    tested, posteriors, size = [], [], 0
    for train, test in protocol.folds(clips):
        fitted = recipe.fit(
            Training(
                inputs[train],
                clips.label[train],
                group[train],
                [clips.path[i] for i in train],
                [clips.part[i] for i in train],
            )
        )
        tested.append(test)
        posteriors.append(fitted.posteriors(inputs[test]))
        size = max(size, fitted.size)
    return np.concatenate(tested), np.concatenate(posteriors), size


def file_name(name: str) -> str:
    """A model's name as a file's."""
    return "".join(c if c.isalnum() else "-" for c in name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path, required=True, help="CSV of the cuts: path, genre, track, split")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what was made")
    parser.add_argument("--genred", default="genred", help="the program [default: genred]")
    parser.add_argument("--write", type=Path, help="the document whose generated part to replace")
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--protocols", nargs="+", choices=[p.name for p in PROTOCOLS], help="only these")
    parser.add_argument("--times", action="store_true", help="measure the times again")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    comparison_networks.one_thread()
    cuts = load_clips(arguments.index)
    sets = {
        "cuts": Features(cuts, "cuts", arguments.work, arguments.genred),
        "pieces": Features(pieces(cuts), "pieces", arguments.work, arguments.genred),
    }
    with threadpool_limits(1):
        for recipe in RECIPES:
            for protocol in PROTOCOLS:
                if arguments.only not in recipe.name:
                    continue
                if arguments.protocols and protocol.name not in arguments.protocols:
                    continue
                _keep(recipe, protocol, sets[protocol.clips], arguments.work)
    text = comparison_tables.tables(RECIPES, sets, arguments.work)
    print(text)
    if arguments.write:
        comparison_tables.replace(arguments.write, "comparison", text)


def _keep(recipe: Recipe, protocol: Protocol, features: Features, work: Path) -> None:
    """Evaluates what is not in the work folder yet."""
    path = work / f"{protocol.name}-{file_name(recipe.name)}.npz"
    if path.is_file():
        return
    began = time.monotonic()
    tested, posteriors, size = evaluate(recipe, protocol, features)
    np.savez(path, tested=tested, posteriors=posteriors, size=size)
    right = (posteriors.argmax(axis=1) == features.clips.label[tested]).mean()
    seconds = time.monotonic() - began
    print(json.dumps({"model": recipe.name, "protocol": protocol.name, "accuracy": right, "s": seconds}),
          file=sys.stderr)


if __name__ == "__main__":
    main()
