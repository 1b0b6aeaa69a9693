"""The manifest of the bundle that is made here, and its list of training material."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from . import golden, level, musicnn, streamed
from .bundle import MANIFEST, MATERIAL_FILE, TRAINING, checksums
from .music_statistics import FILE as STATISTICS
from .toml import array, document, string

NAME = "musicnn-msd"
VERSION = "5"
EMBEDDING_ID = "musicnn-msd-dense-pooled"
SOURCE = f"PyPI musicnn 0.1.0 (sha256 {musicnn.WHEEL_SHA256})"
DESCRIPTION = (
    "MusiCNN trained on the Million Song Dataset: 50 tags and an embedding of 624 numbers from three seconds of audio, "
    "frame by frame or patch by patch"
)
MATERIAL = (
    "Million Song Dataset (Last.fm tags), by the authors of MusiCNN; "
    "the heads: the tracks listed here, and CARD.md"
)


def write_training(folder: Path) -> None:
    """Writes the list of what the weights and the heads were fitted to."""
    text = resources.files(__package__).joinpath(MATERIAL_FILE).read_text(encoding="utf-8")
    material = tomllib.loads(text)
    keys = {"material": string(MATERIAL)} | {key: array(material[key]) for key in ("tracks", "pcm_sha256")}
    (folder / TRAINING).write_text(document(keys, {}), encoding="utf-8")


def write_manifest(folder: Path, pooled: int, padding: float) -> None:
    """Writes `manifest.toml` for an embedding with `pooled` pooled features, and the checksums of what lies beside it."""
    top = {
        "format": "2",
        "name": string(NAME),
        "version": string(VERSION),
        "description": string(DESCRIPTION),
        "licence": string("ISC"),
        "sources": array([SOURCE]),
        "training": string(TRAINING),
    }
    embedding = {"id": string(EMBEDDING_ID), "dim": str(musicnn.DENSE + pooled)}
    if (folder / STATISTICS).is_file():
        embedding["statistics"] = f"{string(STATISTICS)} # mean and covariance over music"
    tables = {
        "front_end": front_end_table(),
        "patch": {"frames": str(musicnn.FRAMES)},
        "embedding": embedding,
        "trunk.streamed": streamed_table(pooled // 2, padding),
        "trunk.streamed.level": level_table(),
        "trunk.windowed": windowed_table(musicnn.DENSE + pooled),
        "golden": {
            "file": string("golden/golden.safetensors"),
            "tolerance": "3e-4          # absolute, on embedding and on scores",
        },
        "checksums": {path: string(digest) for path, digest in checksums(folder).items()},
    }
    (folder / MANIFEST).write_text(document(top, tables), encoding="utf-8")


def front_end_table() -> dict[str, str]:
    """`[front_end]`"""
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


def windowed_table(embedding: int) -> dict[str, str]:
    """`[trunk.windowed]`"""
    return {
        "file": string("windowed.onnx"),
        "input": '"log_mel"            # [batch, frames, bands]',
        "output": f'"embedding"         # [batch, {embedding}]',
        "activations": f'"activations"    # [batch, {musicnn.TAGS}]',
    }


def streamed_table(features: int, padding: float) -> dict[str, str]:
    """`[trunk.streamed]`"""
    frame_ms = 1e3 * golden.HOP / golden.SAMPLE_RATE
    return {
        "file": string("streamed.onnx"),
        "input": '"log_mel"            # [batch, frames + halo, bands], levelled',
        "output": '"features"          # [batch, frames, feature_dim]',
        "feature_dim": str(features),
        "pooling": '"pooling.safetensors"',
        "halo": f"[{streamed.HALO_BEFORE}, {streamed.HALO_AFTER}]           # frames before and after",
        "block": f"{streamed.BLOCK}                 # the frames of a run are a multiple of it",
        "padding": f"{padding:.8f}      # levelled log-mel where there is no sound",
        "lookahead_ms": f"{streamed.HALO_AFTER * frame_ms}",
    }


def level_table() -> dict[str, str]:
    """`[trunk.streamed.level]`"""
    return {
        "reference_db": str(level.REFERENCE_DB),
        "max_gain_db": str(level.MAX_GAIN_DB),
        "usual_bass_db": str(list(level.USUAL_BASS_DB)),
        "mids": f"[{level.MIDS[0]}, {level.MIDS[1]}]                # bands, from and to",
        "slack_db": str(level.SLACK_DB),
        "max_bass_db": str(level.MAX_BASS_DB),
    }
