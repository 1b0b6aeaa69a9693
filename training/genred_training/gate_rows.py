"""Makes the rows that the head `gate` is fitted to: patches of music, speech and noise, embedded.

    python -m genred_training.gate_rows --work FOLDER --gtzan gtzan-cuts.csv --debian debian-music.csv \\
      --music FOLDER --runtime libonnxruntime.so --bundle ../models/musicnn-msd --out gate.safetensors

Fetches the recordings (`speech_material`), composes patches of them (`gate_sets`), embeds them with `genred embed`, and
writes a set of embeddings for `genred train --embeddings`, grouped by source. `--report HEAD` prints what a head of that
bundle answers to these patches and to sources of speech and noise that took no part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .bundle import trunk_key
from .embedding_set import write_set
from .gate_patches import LABELS, NOT_MUSIC, Embedder, Library, tracks
from .gate_sets import Sets
from .heads import Head, load_head
from .speech_material import fetch, write_clips
from .teachers import Silero

# What each kind of set weighs in the fit, and the share of the GTZAN cuts in the music.
WEIGHTS = {"speech": 0.3, "bed": 0.3, "lead": 0.05, "music": 0.3, "noise": 0.15}
GTZAN_SHARE = 0.7
# Synthetic room tones have no source to be held out: they are dealt into so many groups.
ROOMS = 5


def stacked(sets: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All sets in one, with the kind and condition of each patch, its group and its weight.

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
    groups = [f"{g}.{i % ROOMS}" if g == "rooms" else g for i, g in enumerate(data["group"])]
    data["source"] = np.array(groups)
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


def rates(scores: np.ndarray) -> np.ndarray:
    """Shares `[3]` of patches called music, speech, noise."""
    return np.bincount(scores.argmax(axis=1), minlength=3) / max(len(scores), 1)


def table(rows: list[tuple[str, np.ndarray]]) -> str:
    """Per name: count, and per cent called each label."""
    lines = [f"{'':34}{'patches':>8}" + "".join(f"{label:>9}" for label in LABELS)]
    for name, logits in rows:
        lines.append(f"{name:34}{len(logits):>8}" + "".join(f"{100 * r:>8.1f}%" for r in rates(logits)))
    return "\n".join(lines)


def rows_report(data: dict[str, np.ndarray], logits: np.ndarray) -> str:
    """A table over the rows: by source, by ratio, by genre and condition."""
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


def apart_report(sets: dict[str, dict[str, np.ndarray]], head: Head) -> str:
    """A table over the test sets: by condition, by source and by ratio."""
    logits: dict[str, list[np.ndarray]] = {}
    for name, found in sets.items():
        kind, condition = name.split("/")[0], name.partition("@")[2]
        if kind == "music":
            continue
        here = answers(head, found["embedding"])
        logits.setdefault(f"{kind}, {condition}", []).append(here)
        if kind in ("speech", "noise"):
            for group in np.unique(found["group"]):
                logits.setdefault(f"{kind} {group}, {condition}", []).append(here[found["group"] == group])
    return table([(name, np.concatenate(rows)) for name, rows in sorted(logits.items())])


def answers(head: Head, embedding: np.ndarray) -> np.ndarray:
    """Posteriors `[n, 3]` in the order of `LABELS`."""
    return head.scores(embedding)[:, [head.labels.index(label) for label in LABELS]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for downloads and embeddings")
    parser.add_argument("--have", type=Path, nargs="*", default=[], help="folders of unpacked packages")
    parser.add_argument("--gtzan", type=Path, required=True, help="index of the GTZAN cuts")
    parser.add_argument("--debian", type=Path, required=True, help="index of the Debian music")
    parser.add_argument("--music", type=Path, required=True, help="folder of the unpacked music packages")
    parser.add_argument("--genred", type=Path, default=Path("../target/release/genred"), help="the program")
    parser.add_argument("--runtime", type=Path, required=True, help="ONNX Runtime's library")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle whose trunk is used")
    parser.add_argument("--out", type=Path, required=True, help="the set of embeddings")
    parser.add_argument("--report", type=Path, help="TOML of a gate, to be judged by all of this")
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
    count = len(data["label"])
    write_set(
        arguments.out,
        "gate",
        LABELS,
        x=data["embedding"],
        target=np.eye(len(LABELS))[data["label"]],
        weight=data["weight"],
        # Patches were composed one by one: each is a track.
        track=np.arange(count).astype(str),
        group=data["source"],
        judged=np.isin(data["condition"], ("augmented", "clean")),
    )
    if arguments.report:
        head = load_head(arguments.report)
        print(rows_report(data, answers(head, data["embedding"])))
        print("\nsources that took no part:")
        print(apart_report(test, head))


if __name__ == "__main__":
    main()
