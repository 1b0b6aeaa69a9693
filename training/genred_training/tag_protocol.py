"""The published artist-filtered protocol at tag level: heads over MusiCNN's 50 tags, train against test.

    python -m genred_training.tag_protocol --data FOLDER --write ../docs/measurements/models.md

`FOLDER` holds `train.npz` and `test.npz`, each with `activations` `[n, 50]` (0..1), `genre` and
`track` `[n]`; a track in one has no artist in the other. Every variant is fitted on `train` and scored
on `test`, all are reported, and one is chosen by cross-validation inside `train`, which knows nothing
of `test`: folds of blocks of 25 and of 50 consecutive numbers of a genre, each at two offsets, which tear
fewer artists apart than blocks of ten do.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from .comparison_tables import bounds, half, replace, row
from .metrics import by_track, interval, intervals, scores, track_draws
from .tag_heads import (
    UNCLIPPED,
    Fit,
    TagPatches,
    average,
    clipped,
    discriminant,
    kernel_logistic,
    logistic,
    mean_discriminant,
    mean_kernel,
    normalised,
    quadratic,
    small_network,
    whitened,
)

# float16 activations end here.
SMALLEST, LARGEST = 1e-7, 1.0 - 5e-4
# Blocks of so many numbers, shifted by so many, in so many folds.
PLANS = ((25, 0, 4), (25, 12, 4), (50, 0, 2), (50, 25, 2))
BASELINE = "logistic regression, raw"

VARIANTS: dict[str, Fit] = {
    BASELINE: logistic(1e-4),
    **{
        f"logistic regression, ±{limit}, penalty {penalty}": clipped(logistic(penalty), limit)
        for limit in (4, 6, 8)
        for penalty in (0.001, 0.01, 0.03)
    },
    "discriminant analysis, raw": clipped(discriminant(0.05), UNCLIPPED),
    **{
        f"discriminant analysis, ±{limit}, shrinkage {shrinkage}": clipped(discriminant(shrinkage), limit)
        for limit in (4, 6, 8)
        for shrinkage in (0.05, 0.2)
    },
    **{
        f"discriminant analysis, ±6, track-to-track {share}": clipped(discriminant(0.05, share), 6)
        for share in (0.25, 0.75, 0.9)
    },
    "discriminant analysis of track means, ±6": clipped(mean_discriminant(0.05), 6),
    "discriminant analysis of track means, raw": mean_discriminant(0.1),
    **{f"own covariances, ±6, share {own}": clipped(quadratic(own), 6) for own in (0.05, 0.1, 0.2, 0.4)},
    **{
        f"whitened logistic regression, ±6, penalty {penalty}": clipped(whitened(penalty), 6)
        for penalty in (0.003, 0.01, 0.03, 0.1)
    },
    "whitened logistic regression, ±6, penalty 0.03, track-to-track 0.8": clipped(
        whitened(0.03, between=0.8), 6
    ),
    "logistic + discriminant, ±6": clipped(average(logistic(0.01), discriminant(0.05)), 6),
    "logistic ±6 + discriminant raw": average(clipped(logistic(0.01), 6), discriminant(0.05)),
    "logistic + own covariances 0.2, ±6": clipped(average(logistic(0.01), quadratic(0.2)), 6),
    "RBF SVM of track means, ±6": clipped(mean_kernel(10, 0.1), 6),
    "kernel logistic regression, ±6": clipped(kernel_logistic(0.003, 0.2), 6),
    "hidden layer of 32, ±6": clipped(small_network(32, 1.0), 6),
}


@dataclass
class Outcome:
    """Tracks right in cross-validation (mean over plans), and draws of each score on `test`."""

    validated: float
    track_posteriors: dict[str, np.ndarray]
    track_logits: np.ndarray
    patch: dict[str, np.ndarray]


def load(path: Path) -> tuple[TagPatches, list[str]]:
    """The patches of one file and the genres' names."""
    archive = np.load(path)
    activations = np.clip(archive["activations"].astype(np.float64), SMALLEST, LARGEST)
    genre = archive["genre"].astype(str)
    genres = sorted(set(genre))
    label = np.searchsorted(genres, genre)
    return TagPatches(np.log(activations / (1 - activations)), label, archive["track"].astype(str)), genres


def plan_folds(patches: TagPatches, size: int, offset: int, folds: int) -> np.ndarray:
    """The fold `[n]` of each patch: blocks take turns, each genre beginning at another fold."""
    number = np.array([int(track.split(".")[1]) for track in patches.track])
    return ((number + offset) // size + patches.label) % folds


def validate(fit: Fit, patches: TagPatches) -> float:
    """The share of tracks that folds of whole blocks get right, the mean over `PLANS`."""
    classes = int(patches.label.max()) + 1
    shares = []
    for size, offset, count in PLANS:
        fold = plan_folds(patches, size, offset, count)
        answers = np.zeros((len(fold), classes))
        for index in np.unique(fold):
            judge = fit(patches.of(fold != index))
            answers[fold == index] = judge(patches.logits[fold == index])
        posterior, label, _ = by_track(np.exp(answers), patches.label, patches.track)
        shares.append((posterior.argmax(axis=1) == label).mean())
    return float(np.mean(shares))


def judge_on_test(fit: Fit, train: TagPatches, test: TagPatches) -> Outcome:
    """Fitted on all of `train`; a track's answer is the mean of its posteriors, or of its log posteriors."""
    answers = fit(train)(test.logits)
    posterior, label, track = by_track(np.exp(answers), test.label, test.track)
    logits, _, _ = by_track(answers, test.label, test.track)
    draws = track_draws(track)
    patch_draws = track_draws(test.track, 500)
    return Outcome(
        validate(fit, train),
        scores(posterior, label, draws),
        scores(np.exp(normalised(logits)), label, draws)["accuracy"],
        scores(np.exp(answers), test.label, patch_draws),
    )


def report(outcomes: dict[str, Outcome]) -> tuple[str, str]:
    """The tables, and which variant cross-validation chooses."""
    chosen = max(outcomes, key=lambda name: outcomes[name].validated)
    base = outcomes[BASELINE].track_posteriors["accuracy"]
    header = [
        "head",
        "validated",
        "test, mean posterior",
        "test, mean logit",
        "log loss",
        "patches",
        "less the raw regression",
    ]
    lines = [row(*header), row(*["---"] * len(header))]
    for name, outcome in sorted(outcomes.items(), key=lambda item: -item[1].validated):
        values = outcome.track_posteriors
        label = f"**{name}**" if name == chosen else name
        lines.append(
            row(
                label,
                f"{outcome.validated:.3f}",
                bounds(interval(values["accuracy"])),
                f"{outcome.track_logits[0]:.3f}",
                f"{values['log loss'][0]:.3f}",
                f"{outcome.patch['accuracy'][0]:.3f}",
                "" if name == BASELINE else bounds(interval(values["accuracy"] - base), "+"),
            )
        )
    best = outcomes[chosen]
    whole = [row("chosen head", *(name for name in best.patch)), row(*["---"] * (len(best.patch) + 1))]
    for title, draws in (("by track", best.track_posteriors), ("by patch", best.patch)):
        whole.append(row(title, *(half(value) for value in intervals(draws).values())))
    return "\n".join([*whole, "", *lines]), chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npz and test.npz")
    parser.add_argument("--write", type=Path, help="the document whose generated part to replace")
    arguments = parser.parse_args()
    train, genres = load(arguments.data / "train.npz")
    test, others = load(arguments.data / "test.npz")
    if genres != others:
        raise SystemExit(f"`{arguments.data}`: train.npz and test.npz have different genres")
    outcomes = {}
    with threadpool_limits(1):
        for name, fit in VARIANTS.items():
            outcomes[name] = judge_on_test(fit, train, test)
            right = outcomes[name].track_posteriors["accuracy"][0]
            print(f"{name}: validated {outcomes[name].validated:.3f}, test {right:.4f}", file=sys.stderr)
    text, chosen = report(outcomes)
    print(text)
    print(f"chosen: {chosen}", file=sys.stderr)
    if arguments.write:
        replace(arguments.write, "tags", text)


if __name__ == "__main__":
    main()
