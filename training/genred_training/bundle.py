"""A bundle's files and their checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .toml import document, string

MANIFEST = "manifest.toml"
# List of the tracks and PCM hashes that the heads were trained on.
TRAINING = "training.toml"
# The same in this package.
MATERIAL_FILE = "training_material.toml"


def checksums(folder: Path) -> dict[str, str]:
    """sha256 in hexadecimal of every file of a bundle but its manifest, by relative path."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def renew_checksums(folder: Path) -> None:
    """Writes the last table of a manifest, `[checksums]`; what stands before it stays."""
    path = folder / MANIFEST
    before, found, _ = path.read_text(encoding="utf-8").partition("\n[checksums]\n")
    if not found:
        raise ValueError(f"{path} has no table [checksums]")
    sums = {name: string(digest) for name, digest in checksums(folder).items()}
    path.write_text(before.rstrip("\n") + "\n" + document({}, {"checksums": sums}), encoding="utf-8")


def trunk_key(bundle: Path) -> str:
    """Name of the windowed trunk's embeddings in file names, which those of another trunk do not have."""
    return hashlib.sha256((bundle / "windowed.onnx").read_bytes()).hexdigest()[:12]
