"""Imports MusiCNN (`MSD_musicnn`, ISC licence) from its PyPI wheel into a bundle with both trunks.

    python -m genred_training.import_musicnn --out ../models/musicnn-msd

The same versions on the same kind of processor give the same bytes. A model card `CARD.md` and the statistics of
music that lie in the folder already are kept and enter the checksums, and so do heads that were trained on the
embedding (`genres`, `gtzan10`, `gate`). `reference.onnx`, the published network layer by layer, is written beside this
package: only `compare` reads it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from . import golden, musicnn, prove_streamed, streamed
from .fold import Folded, fold
from .heads import Head, load_head
from .level import levelled
from .manifest import EMBEDDING_ID, SOURCE, write_manifest, write_training
from .reference import REFERENCE, write_reference
from .tensors import save_tensors
from .trunk import write_trunk


def tag_head(weights: musicnn.Weights, folded: Folded, tags: list[str]) -> Head:
    """The network's last dense layer as a head: its scores are the network's activations."""
    unused = np.zeros((len(tags), len(folded.pooled)), dtype=np.float32)
    return Head(
        name="tags",
        kind="multi",
        embedding_id=EMBEDDING_ID,
        weight=np.concatenate([weights["dense_1/kernel"].T, unused], axis=1),
        bias=weights["dense_1/bias"],
        labels=tags,
        provenance={
            "made_from": "last dense layer of MSD_musicnn",
            "source": SOURCE,
            "licence": "ISC",
        },
    )


def trained_heads(folder: Path, made: set[str]) -> list[Head]:
    """The heads that lie in a bundle and are not `made` here."""
    heads = [load_head(p) for p in sorted(folder.glob("*.toml")) if p.stem not in made]
    others = [head.name for head in heads if head.embedding_id != EMBEDDING_ID]
    if others:
        print(f"left out, for another embedding: {', '.join(others)}")
    return [head for head in heads if head.name not in others]


def write_golden(folder: Path, known: dict[str, np.ndarray], heads: list[Head]) -> None:
    """Golden patches with the embedding that each trunk must give, and what the heads make of it."""
    embeddings = {name.removesuffix(".embedding"): v for name, v in known.items() if name.endswith(".embedding")}
    tensors = {"samples": golden.golden_samples(), **known}
    for trunk, embedding in embeddings.items():
        tensors |= {f"{trunk}.scores.{head.name}": head.scores(embedding) for head in heads}
    save_tensors(tensors, folder / "golden.safetensors")


def import_bundle(wheel: Path | None, out: Path) -> None:
    """Writes the bundle into `out`; without a `wheel` it is downloaded from PyPI."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        unpacked = work / "unpacked"
        musicnn.unpack_wheel(wheel or musicnn.fetch_wheel(work), unpacked)
        weights = musicnn.load_weights(unpacked)
        folded = fold(weights)
        tags = tag_head(weights, folded, musicnn.labels(unpacked))
        heads = [tags, *trained_heads(out / "heads", {tags.name})]

        for folder in (out, out / "heads", out / "golden"):
            folder.mkdir(parents=True, exist_ok=True)
        write_reference(weights, folded.pooled, REFERENCE)
        write_trunk(folded, out / "windowed.onnx")
        cut, cut_folded = prove_streamed.write_proved(weights, out)
        tags.save(out / "heads")
        patches = golden.golden_patches()
        activations, windowed = musicnn.run_original(unpacked, levelled(patches), folded.pooled)
        known = {
            "log_mel": patches,
            "windowed.activations": activations,
            "windowed.embedding": windowed,
            "streamed.embedding": prove_streamed.golden_embedding(cut, cut_folded, patches),
        }
        write_golden(out / "golden", known, heads)
        shutil.copyfile(unpacked / musicnn.LICENCE_FILE, out / "LICENSE-musicnn")
    write_training(out)
    write_manifest(out, len(folded.pooled), streamed.padding(cut_folded))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--wheel", type=Path, help="the wheel of musicnn 0.1.0, if it is at hand")
    arguments = parser.parse_args()
    import_bundle(arguments.wheel, arguments.out)


if __name__ == "__main__":
    main()
