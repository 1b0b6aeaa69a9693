"""A bundle's manifest and its checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .toml import document, string

MANIFEST = "manifest.toml"
# In this package: tracks and PCM hashes that the heads were trained on.
MATERIAL_FILE = "training_material.toml"


def checksums(folder: Path) -> dict[str, str]:
    """sha256 in hexadecimal of every file of a bundle but its manifest, by relative path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def trunk_key(bundle: Path) -> str:
    """What tells the embeddings of one trunk from those of another in file names."""
    return hashlib.sha256((bundle / "trunk.onnx").read_bytes()).hexdigest()[:12]


def write_manifest(folder: Path, top: dict[str, str], tables: dict[str, dict[str, str]]) -> None:
    """Writes `manifest.toml` from formatted values, and the checksums of what lies beside it."""
    sums = {path: string(digest) for path, digest in checksums(folder).items()}
    text = document({"format": "1", **top}, {**tables, "checksums": sums})
    (folder / MANIFEST).write_text(text, encoding="utf-8")
