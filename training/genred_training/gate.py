"""Trains the head `gate`, which says of each patch whether it is music, speech or noise.

    python -m genred_training.gate --work FOLDER --gtzan gtzan-cuts.csv --debian debian-music.csv \
      --music FOLDER --bundle ../models/musicnn-msd

Fetches the recordings (`speech_material`), composes patches of them (`gate_sets`), embeds them with
`genred embed`, fits a small network in five folds of sources to choose the operating point and the
temperature, fits it again on all of them, and reports on sources that took no part.
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from .gate_patches import LABELS, Embedder, Library, tracks
from .gate_sets import SEED, Sets
from .speech_material import fetch, write_clips
from .teachers import Silero

NAME = "gate"
EMBEDDING_ID = "musicnn-msd-penultimate"
HIDDEN = 32
FOLDS = 5
# Music may be called speech this often, in the folds.
MUSIC_AS_SPEECH = 0.004
MUSIC, SPEECH, NOISE = range(3)
# What each kind of set weighs in the fit.
WEIGHTS = {"speech": 0.3, "bed": 0.15, "lead": 0.05, "music": 0.35, "noise": 0.15}
DECAY = 1e-3
EPOCHS = 40


class Network:
    """A dense layer with ReLU and one without, on standardised embeddings; without hidden units linear."""

    def __init__(self, hidden: int, seed: int):
        self._hidden, self._seed = hidden, seed

    def fit(self, embedding: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Network:
        """Fits `embedding` `[n, dim]`, `label` `[n]`, `weight` `[n]`."""
        self.mean, self.scale = embedding.mean(axis=0), embedding.std(axis=0) + 1e-6
        layers = (self._hidden,) if self._hidden else ()
        network = MLPClassifier(
            layers,
            alpha=DECAY,
            batch_size=256,
            max_iter=EPOCHS,
            random_state=self._seed,
            n_iter_no_change=EPOCHS,
        )
        with warnings.catch_warnings():
            # So many epochs and no more, whether or not the loss still falls.
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit((embedding - self.mean) / self.scale, label, sample_weight=weight / weight.mean())
        self.layers = [w.T for w in network.coefs_]
        self.biases = list(network.intercepts_)
        # The standardisation moves into the first layer.
        self.biases[0] = self.biases[0] - self.layers[0] @ (self.mean / self.scale)
        self.layers[0] = self.layers[0] / self.scale
        return self

    def logits(self, embedding: np.ndarray) -> np.ndarray:
        """`[n, 3]`."""
        values = embedding.astype(np.float64)
        for layer, bias in zip(self.layers[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ layer.T + bias, 0.0)
        return values @ self.layers[-1].T + self.biases[-1]


def stacked(sets: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All sets in one, with the kind of each patch, its fold by its group, and its weight."""
    kind = np.concatenate([np.full(len(s["label"]), n.split("/")[0]) for n, s in sets.items()])
    joined = {
        k: np.concatenate([s[k] for s in sets.values()]) for k in ("embedding", "label", "group", "detail")
    }
    weight = np.zeros(len(kind))
    for name, share in WEIGHTS.items():
        weight[kind == name] = share / max((kind == name).sum(), 1)
    fold = np.array([zlib.crc32(g.encode()) % FOLDS for g in joined["group"]])
    return {**joined, "kind": kind, "fold": fold, "weight": weight}


def out_of_fold(data: dict[str, np.ndarray], hidden: int) -> np.ndarray:
    """Logits `[n, 3]` of each patch by a network that never heard its source."""
    logits = np.zeros((len(data["label"]), 3))
    for fold in range(FOLDS):
        held = data["fold"] == fold
        network = Network(hidden, SEED % 2**31 + fold)
        network.fit(data["embedding"][~held], data["label"][~held], data["weight"][~held])
        logits[held] = network.logits(data["embedding"][held])
    return logits


def operating_point(logits: np.ndarray, label: np.ndarray, kind: np.ndarray) -> float:
    """What to add to the speech logit so that `MUSIC_AS_SPEECH` of the music is called speech."""
    music = logits[(label == MUSIC) & (kind == "music")]
    margin = np.maximum(music[:, MUSIC], music[:, NOISE]) - music[:, SPEECH]
    return float(np.quantile(margin, MUSIC_AS_SPEECH))


def temperature(logits: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """The temperature of least weighted log loss."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(weight @ (total - scaled[np.arange(len(label)), label]))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def rates(logits: np.ndarray) -> np.ndarray:
    """Shares `[3]` of patches called music, speech, noise."""
    return np.bincount(logits.argmax(axis=1), minlength=3) / max(len(logits), 1)


def table(rows: list[tuple[str, np.ndarray]]) -> str:
    """Per name: count, and per cent called each label."""
    lines = [f"{'':34}{'patches':>8}" + "".join(f"{label:>9}" for label in LABELS)]
    for name, logits in rows:
        lines.append(f"{name:34}{len(logits):>8}" + "".join(f"{100 * r:>8.1f}%" for r in rates(logits)))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for downloads and embeddings")
    parser.add_argument("--have", type=Path, nargs="*", default=[], help="folders of unpacked packages")
    parser.add_argument("--gtzan", type=Path, required=True, help="index of the GTZAN cuts")
    parser.add_argument("--debian", type=Path, required=True, help="index of the Debian music")
    parser.add_argument("--music", type=Path, required=True, help="folder of the unpacked music packages")
    parser.add_argument("--genred", type=Path, default=Path("../target/release/genred"), help="the program")
    parser.add_argument("--runtime", type=Path, required=True, help="ONNX Runtime's library")
    parser.add_argument(
        "--bundle", type=Path, required=True, help="the bundle: its trunk is used, its head written"
    )
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="hidden units, 0 for a linear head")
    parser.add_argument("--only", choices=["train", "test"], help="stop when these sets are embedded")
    arguments = parser.parse_args()

    write_clips(arguments.work, arguments.have)
    silero = Silero(fetch("silero-vad", arguments.work, arguments.have))
    library = Library(arguments.work, silero, tracks(arguments.gtzan, arguments.debian, arguments.music))
    embed = Embedder(arguments.genred, arguments.bundle.parent, arguments.runtime)
    sets = Sets(arguments.work / "sets", library, embed)
    if arguments.only:
        getattr(sets, arguments.only)()
        return
    data = stacked(sets.train())
    logits = out_of_fold(data, arguments.hidden)
    shift = operating_point(logits, data["label"], data["kind"])
    logits[:, SPEECH] += shift
    heat = temperature(logits, data["label"], data["weight"])
    print(f"speech logit {shift:+.2f}, temperature {heat:.3f}\n\nfolds over the training sources:")
    print(by_group(data, logits))
    network = Network(arguments.hidden, SEED % 2**31).fit(data["embedding"], data["label"], data["weight"])
    network.biases[-1][SPEECH] += shift
    rows = [(name, network.logits(found["embedding"])) for name, found in sets.test().items()]
    print("\nsources apart:")
    print(table(rows))


def by_group(data: dict[str, np.ndarray], logits: np.ndarray) -> str:
    rows = []
    for kind in WEIGHTS:
        mine = data["kind"] == kind
        rows.append((f"{kind}: all", logits[mine]))
        if kind == "bed":
            ratio = np.array(
                [float(d) if k == "bed" else 0.0 for d, k in zip(data["detail"], data["kind"], strict=True)]
            )
            rows += [
                (f"bed: {a} to {b} dB", logits[mine & (ratio >= a) & (ratio < b)])
                for a, b in ((2, 5), (5, 8), (8, 12), (12, 20))
            ]
        elif kind == "music":
            rows += [
                (f"music: {g}", logits[mine & (data["detail"] == g)]) for g in np.unique(data["detail"][mine])
            ]
        else:
            rows += [
                (f"{kind}: {g}", logits[mine & (data["group"] == g)]) for g in np.unique(data["group"][mine])
            ]
    return table(rows)


if __name__ == "__main__":
    main()
