"""Trains the head `gate`, which says of each patch whether it is music, speech or noise.

    python -m genred_training.gate --work FOLDER --gtzan gtzan-cuts.csv --debian debian-music.csv \\
      --music FOLDER --runtime libonnxruntime.so --bundle ../models/musicnn-msd-windowed

Fetches the recordings (`speech_material`), composes patches of them (`gate_sets`), embeds them with
`genred embed`, fits small networks in five folds of sources to choose the operating point and the
temperature, fits them again on all folds, writes the head, and reports, also on sources of speech
and noise that took no part. Run `import_musicnn` afterwards: it brings the head into the checksums.
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from .bundle import trunk_key
from .gate_patches import LABELS, NOT_MUSIC, Embedder, Library, tracks
from .gate_sets import SEED, Sets
from .heads import Head
from .import_musicnn import EMBEDDING_ID
from .linear import temperature
from .speech_material import RATE, fetch, write_clips
from .teachers import Silero

NAME = "gate"
# So many networks of so many hidden units; their mean is one network of the product.
NETWORKS, HIDDEN = 4, 16
FOLDS = 5
# Music may be called speech this often, in the folds.
MUSIC_AS_SPEECH = 0.004
MUSIC, SPEECH, NOISE = range(3)
# What each kind of set weighs in the fit, and the share of the GTZAN cuts in the music.
WEIGHTS = {"speech": 0.3, "bed": 0.3, "lead": 0.05, "music": 0.3, "noise": 0.15}
GTZAN_SHARE = 0.7
DECAY = 0.3
EPOCHS = 40


class Network:
    """One hidden layer of ReLUs on the embedding, the mean of `NETWORKS` that were fitted apart."""

    def __init__(self, hidden: int = HIDDEN, networks: int = NETWORKS, seed: int = SEED):
        self._hidden, self._networks, self._seed = hidden, networks, seed

    def fit(self, embedding: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Network:
        """Fits `embedding` `[n, dim]`, `label` `[n]`, `weight` `[n]`; returns itself."""
        mean, scale = embedding.mean(axis=0), embedding.std(axis=0) + 1e-6
        standard = (embedding - mean) / scale
        fitted = []
        for number in range(self._networks):
            network = MLPClassifier(
                (self._hidden,),
                alpha=DECAY,
                batch_size=256,
                max_iter=EPOCHS,
                n_iter_no_change=EPOCHS,
                random_state=(self._seed + number) % 2**31,
            )
            with warnings.catch_warnings():
                # So many epochs and no more, whether or not the loss still falls.
                warnings.simplefilter("ignore", ConvergenceWarning)
                network.fit(standard, label, sample_weight=weight / weight.mean())
            fitted.append(network)
        first = np.concatenate([n.coefs_[0].T for n in fitted])
        # The standardisation moves into the first layer.
        self.hidden_weight = first / scale
        self.hidden_bias = np.concatenate([n.intercepts_[0] for n in fitted]) - self.hidden_weight @ mean
        self.weight = np.concatenate([n.coefs_[1].T for n in fitted], axis=1) / len(fitted)
        self.bias = np.mean([n.intercepts_[1] for n in fitted], axis=0)
        return self

    def logits(self, embedding: np.ndarray) -> np.ndarray:
        """`[n, 3]`."""
        hidden = np.maximum(embedding.astype(np.float64) @ self.hidden_weight.T + self.hidden_bias, 0.0)
        return hidden @ self.weight.T + self.bias


def stacked(sets: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All sets in one, with the kind and condition of each patch, its fold by its group, its weight.

    What lies among the music and is none is left out.
    """
    joined = {
        k: np.concatenate([s[k] for s in sets.values()]) for k in ("embedding", "label", "group", "detail")
    }
    names = np.concatenate([np.full(len(s["label"]), n, dtype=object) for n, s in sets.items()])
    joined["kind"] = np.array([n.split("/")[0] for n in names])
    joined["condition"] = np.array([n.partition("@")[2] or "augmented" for n in names])
    kept = np.array([d.partition(":")[2] not in NOT_MUSIC for d in joined["detail"]])
    data = {key: values[kept] for key, values in joined.items()}
    # Synthetic room tones have no source to be held out.
    groups = [f"{g}.{i % FOLDS}" if g == "rooms" else g for i, g in enumerate(data["group"])]
    data["fold"] = np.array([zlib.crc32(g.encode()) % FOLDS for g in groups])
    kind, weight = data["kind"], np.zeros(len(groups))
    debian = np.char.startswith(data["detail"], "debian:")
    for name, share in WEIGHTS.items():
        mine = kind == name
        if name == "music":
            weight[mine & debian] = share * (1 - GTZAN_SHARE) / max((mine & debian).sum(), 1)
            weight[mine & ~debian] = share * GTZAN_SHARE / max((mine & ~debian).sum(), 1)
        else:
            weight[mine] = share / max(mine.sum(), 1)
    return {**data, "weight": weight}


def out_of_fold(data: dict[str, np.ndarray]) -> np.ndarray:
    """Logits `[n, 3]` of each patch by a network that never heard its source."""
    logits = np.zeros((len(data["label"]), 3))
    for fold in range(FOLDS):
        held = data["fold"] == fold
        network = Network(seed=SEED + 1000 * fold)
        network.fit(data["embedding"][~held], data["label"][~held], data["weight"][~held])
        logits[held] = network.logits(data["embedding"][held])
    return logits


def operating_point(music: np.ndarray) -> float:
    """What to add to the speech logit so that `MUSIC_AS_SPEECH` of the music, `[n, 3]`, is called speech."""
    margin = np.maximum(music[:, MUSIC], music[:, NOISE]) - music[:, SPEECH]
    return float(np.quantile(margin, MUSIC_AS_SPEECH))


def rates(logits: np.ndarray) -> np.ndarray:
    """Shares `[3]` of patches called music, speech, noise."""
    return np.bincount(logits.argmax(axis=1), minlength=3) / max(len(logits), 1)


def table(rows: list[tuple[str, np.ndarray]]) -> str:
    """Per name: count, and per cent called each label."""
    lines = [f"{'':34}{'patches':>8}" + "".join(f"{label:>9}" for label in LABELS)]
    for name, logits in rows:
        lines.append(f"{name:34}{len(logits):>8}" + "".join(f"{100 * r:>8.1f}%" for r in rates(logits)))
    return "\n".join(lines)


def gate_clips(folder: Path, embed: Embedder) -> list[tuple[str, np.ndarray]]:
    """Embeddings of the clips in `folder/music`, `speech` and `silence`, one patch a file."""
    import soundfile
    import soxr

    found = []
    for name in ("music", "speech", "silence"):
        sounds = []
        for path in sorted(p for p in (folder / name).iterdir() if p.is_file()):
            sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
            sounds.append(soxr.resample(sound.mean(axis=1), rate, RATE))
        found.append((name, embed(sounds)))
    return found


def folds_report(data: dict[str, np.ndarray], logits: np.ndarray) -> str:
    """A table over the folds: by source, by ratio, by genre and condition."""
    kind, rows = data["kind"], []
    genre = np.array([d.partition(":")[0] for d in data["detail"]])
    for name in WEIGHTS:
        mine = kind == name
        rows.append((f"{name}, all", logits[mine]))
        if name == "bed":
            ratio = np.array([float(d) if m else 0.0 for d, m in zip(data["detail"], mine, strict=True)])
            for low, high in ((2, 5), (5, 8), (8, 12), (12, 20)):
                rows.append((f"  {low} to {high} dB", logits[mine & (ratio >= low) & (ratio < high)]))
        elif name == "music":
            origin = np.where(genre == "debian", "Debian", "GTZAN")
            for condition in np.unique(data["condition"][mine]):
                here = mine & (data["condition"] == condition)
                rows += [(f"  {o}, {condition}", logits[here & (origin == o)]) for o in ("GTZAN", "Debian")]
            plain = mine & (data["condition"] == "clean")
            rows += [(f"  {g}, clean", logits[plain & (genre == g)]) for g in np.unique(genre[mine])]
        elif name != "lead":
            rows += [(f"  {g}", logits[mine & (data["group"] == g)]) for g in np.unique(data["group"][mine])]
    return table(rows)


def apart_report(sets: dict[str, dict[str, np.ndarray]], network: Network) -> str:
    """A table over the test sets: by condition, by source and by ratio."""
    logits: dict[str, list[np.ndarray]] = {}
    for name, found in sets.items():
        kind, condition = name.split("/")[0], name.partition("@")[2]
        if kind == "music":
            continue
        here = network.logits(found["embedding"])
        logits.setdefault(f"{kind}, {condition}", []).append(here)
        if kind in ("speech", "noise"):
            for group in np.unique(found["group"]):
                logits.setdefault(f"{kind} {group}, {condition}", []).append(here[found["group"] == group])
    return table([(name, np.concatenate(rows)) for name, rows in sorted(logits.items())])


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
    parser.add_argument("--clips", type=Path, help="folder of music, speech and silence for a last check")
    arguments = parser.parse_args()

    write_clips(arguments.work, arguments.have)
    silero = Silero(fetch("silero-vad", arguments.work, arguments.have))
    library = Library(arguments.work, silero, tracks(arguments.gtzan, arguments.debian, arguments.music))
    embed = Embedder(arguments.genred, arguments.bundle, arguments.runtime)
    trunk = trunk_key(arguments.bundle)
    sets = Sets(arguments.work / "sets", library, embed, trunk)
    test = sets.test()
    # All music takes part in the folds: the rarest kind there is music that sounds like speech.
    data = stacked(sets.train() | {n: s for n, s in test.items() if n.startswith("music/")})
    logits = out_of_fold(data)
    counted = np.isin(data["condition"], ("augmented", "clean"))
    shift = operating_point(logits[(data["kind"] == "music") & counted])
    logits[:, SPEECH] += shift
    heat = temperature(logits[counted], data["label"][counted], data["weight"][counted])
    network = Network().fit(data["embedding"], data["label"], data["weight"])
    network.bias[SPEECH] += shift
    # Before the head is written: the program takes no bundle whose checksums are out of date.
    clips = gate_clips(arguments.clips, embed) if arguments.clips else []
    head = Head(
        name=NAME,
        kind="single",
        embedding_id=EMBEDDING_ID,
        weight=network.weight.astype(np.float32),
        bias=network.bias.astype(np.float32),
        labels=LABELS,
        temperature=round(heat, 3),
        provenance={
            "made_from": "patches of recorded speech, music and noise, by `python -m genred_training.gate`",
            "music": "GTZAN cuts, music of Debian packages",
            "speech_and_noise": "the packages of speech_packages.toml",
            "licence": "ISC",
        },
        hidden_weight=network.hidden_weight.astype(np.float32),
        hidden_bias=network.hidden_bias.astype(np.float32),
    )
    head.save(arguments.bundle / "heads")
    print(f"speech logit {shift:+.2f}, temperature {heat:.3f}\n\nout of fold:")
    print(folds_report(data, logits))
    print("\nsources that took no part:")
    print(apart_report(test, network))
    if clips:
        print("\n" + table([(name, network.logits(embedding)) for name, embedding in clips]))


if __name__ == "__main__":
    main()
