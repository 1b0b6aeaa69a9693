"""Imports MusiCNN (`MSD_musicnn`, ISC licence) from its PyPI wheel into a bundle.

    python -m genred_training.import_musicnn --out models/musicnn-msd-windowed

The same versions on the same kind of processor give the same bytes. A model card `CARD.md`
that lies in the folder already is kept and enters the checksums, and so do heads that were trained
on the trunk's embedding (`genres`, `gtzan10`, `gate`).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import tomllib
from importlib import resources
from pathlib import Path

import numpy as np

from . import golden, musicnn
from .bundle import MATERIAL_FILE, write_manifest
from .fold import Folded, fold
from .heads import Head, load_head
from .level import levelled
from .reference import write_reference
from .tensors import save_tensors
from .toml import array, string
from .trunk import write_trunk

NAME = "musicnn-msd-windowed"
EMBEDDING_ID = "musicnn-msd-dense-pooled"
SOURCE = f"PyPI musicnn 0.1.0 (sha256 {musicnn.WHEEL_SHA256})"
DESCRIPTION = (
    "MusiCNN trained on the Million Song Dataset: 50 tags and an embedding of 624 from three seconds of audio"
)
MATERIAL = (
    "Million Song Dataset (Last.fm tags), by the authors of MusiCNN; "
    "the heads: the tracks listed here, and CARD.md"
)
# What `genres` was trained on, beside this module.


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


def write_golden(folder: Path, unpacked: Path, pooled_at: np.ndarray, heads: list[Head]) -> None:
    """Golden patches with what the original TensorFlow graph and the heads make of them."""
    patches = golden.golden_patches()
    activations, embedding = musicnn.run_original(unpacked, levelled(patches), pooled_at)
    tensors = {"log_mel": patches, "embedding": embedding, "activations": activations}
    tensors["samples"] = golden.golden_samples()
    tensors |= {f"scores.{head.name}": head.scores(embedding) for head in heads}
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
        write_reference(weights, folded.pooled, out / "reference.onnx")
        write_trunk(folded, out / "trunk.onnx")
        tags.save(out / "heads")
        write_golden(out / "golden", unpacked, folded.pooled, heads)
        shutil.copyfile(unpacked / musicnn.LICENCE_FILE, out / "LICENSE-musicnn")
    write_manifest(out, *_manifest(musicnn.DENSE + len(folded.pooled)))


def front_end_table() -> dict[str, str]:
    """`[front_end]`, which all bundles of this network share."""
    return {
        "sample_rate": f"{golden.SAMPLE_RATE}       # Hz",
        "fft_size": f"{golden.FFT_SIZE}            # samples",
        "hop_length": f"{golden.HOP}          # samples",
        "taper": '"hann"            # periodic',
        "taper_length": f"{golden.FFT_SIZE}        # samples",
        "centred": "true            # zero padding of fft_size / 2 at both ends of a file",
        "power": "2.0",
        "bands": str(musicnn.BANDS),
        "mel_scale": string("slaney"),
        "mel_norm": string("slaney"),
        "f_min": "0.0               # Hz",
        "f_max": "8000.0            # Hz",
        "compression": f'{{ kind = "log10_one_plus", scale = {golden.COMPRESSION} }}',
    }


def top_table(name: str, version: str, description: str) -> dict[str, str]:
    """What a manifest begins with."""
    return {
        "name": string(name),
        "version": string(version),
        "description": string(description),
        "licence": string("ISC"),
        "sources": array([SOURCE]),
    }


def training_table() -> dict[str, str]:
    """`[training]`: what the weights and the heads were fitted to."""
    text = resources.files(__package__).joinpath(MATERIAL_FILE).read_text(encoding="utf-8")
    material = tomllib.loads(text)
    return {
        "material": string(MATERIAL),
        "tracks": array(material["tracks"]),
        "pcm_sha256": array(material["pcm_sha256"]),
    }


def tables(trunk: dict[str, str], **more: dict[str, str]) -> dict[str, dict[str, str]]:
    """The tables of a bundle's manifest around `[trunk]` and what is its own."""
    return {
        "front_end": front_end_table(),
        "patch": {"frames": str(musicnn.FRAMES)},
        "trunk": trunk,
        **more,
        "golden": {
            "file": string("golden/golden.safetensors"),
            "tolerance": "3e-4          # absolute, on embedding and on scores",
        },
        "training": training_table(),
    }


def _manifest(embedding: int) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    trunk = {
        "kind": string("windowed"),
        "file": string("trunk.onnx"),
        "reference": string("reference.onnx"),
        "input": '"log_mel"            # [batch, frames, bands]',
        "embedding": f'"embedding"        # output, [batch, {embedding}]',
        "activations": f'"activations"    # output, [batch, {musicnn.TAGS}]',
        "embedding_id": string(EMBEDDING_ID),
        "embedding_dim": str(embedding),
        "halo": "[0, 0]                # frames before and after",
        "lookahead_ms": "0.0",
        "tolerance": "3e-4          # largest absolute difference to the reference embedding, whose values reach 70",
    }
    return top_table(NAME, "4", DESCRIPTION), tables(trunk)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--wheel", type=Path, help="the wheel of musicnn 0.1.0, if it is at hand")
    arguments = parser.parse_args()
    import_bundle(arguments.wheel, arguments.out)


if __name__ == "__main__":
    main()
