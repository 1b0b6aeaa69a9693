"""Heads that the program fitted, put into bundles."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from genred_training.heads import Head, load_head
from genred_training.put_head import GOLDEN, put_head
from genred_training.tensors import load_tensors


@pytest.fixture
def trained(tmp_path: Path, bundle: Path) -> Path:
    """What `genred train` leaves, as far as it is read: a head of three labels and the list of its material."""
    embedding_id = tomllib.loads((bundle / "manifest.toml").read_text(encoding="utf-8"))["trunk"][
        "embedding_id"
    ]
    random = np.random.default_rng(4)
    head = Head(
        name="genres",
        kind="single",
        embedding_id=embedding_id,
        weight=0.01 * random.standard_normal((3, 624)).astype(np.float32),
        bias=random.standard_normal(3).astype(np.float32),
        labels=["jazz", "polka", "rock"],
        temperature=1.5,
    )
    folder = tmp_path / "trained"
    (folder / "heads").mkdir(parents=True)
    head.save(folder / "heads")
    manifest = '[training]\nmaterial = "x"\ntracks = ["real:polka"]\npcm_sha256 = ["00ff"]\n'
    (folder / "manifest.toml").write_text(manifest, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["musicnn-msd", "musicnn-msd-windowed"])
def test_a_bundle_takes_a_head(name: str, tmp_path: Path, bundle: Path, trained: Path) -> None:
    ours = tmp_path / name
    shutil.copytree(bundle.parent / name, ours)
    before = tomllib.loads((ours / "manifest.toml").read_text(encoding="utf-8"))
    golden = load_tensors(ours / GOLDEN)
    put_head("genres", trained, ours)
    after = tomllib.loads((ours / "manifest.toml").read_text(encoding="utf-8"))
    for key in before.keys() - {"training", "checksums"}:
        assert after[key] == before[key], key
    assert set(after["training"]["tracks"]) == {*before["training"]["tracks"], "real:polka"}
    assert "00ff" in after["training"]["pcm_sha256"]
    assert after["checksums"].keys() == before["checksums"].keys()
    for path, digest in after["checksums"].items():
        assert hashlib.sha256((ours / path).read_bytes()).hexdigest() == digest, path
    changed = {"heads/genres.toml", "heads/genres.safetensors", GOLDEN}
    assert {p for p in after["checksums"] if after["checksums"][p] != before["checksums"][p]} == changed
    scores = load_tensors(ours / GOLDEN)
    head = load_head(trained / "heads/genres.toml")
    np.testing.assert_array_equal(scores["scores.genres"], head.scores(golden["embedding"]))
    assert ("reference.scores.genres" in scores) == ("reference.embedding" in golden)
    for kept in golden.keys() - {"scores.genres", "reference.scores.genres"}:
        np.testing.assert_array_equal(scores[kept], golden[kept])


def test_a_head_for_another_embedding_is_refused(tmp_path: Path, bundle: Path, trained: Path) -> None:
    path = trained / "heads/genres.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("musicnn", "other"), encoding="utf-8")
    ours = tmp_path / "bundle"
    shutil.copytree(bundle, ours)
    manifest = (ours / "manifest.toml").read_bytes()
    with pytest.raises(ValueError, match="other"):
        put_head("genres", trained, ours)
    assert (ours / "manifest.toml").read_bytes() == manifest
