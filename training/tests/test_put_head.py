"""Heads that the program fitted, put into bundles."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from genred_training.heads import Head, load_head
from genred_training.put_head import GOLDEN, listed, put_head
from genred_training.tensors import load_tensors


@pytest.fixture
def trained(tmp_path: Path, bundle: Path) -> Path:
    """What `genred train` leaves, as far as it is read: a head of three labels and the list of its material."""
    embedding_id = tomllib.loads((bundle / "manifest.toml").read_text(encoding="utf-8"))["embedding"]["id"]
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
    listed = 'material = "x"\ntracks = ["real:polka"]\npcm_sha256 = ["00ff"]\n'
    (folder / "training.toml").write_text(listed, encoding="utf-8")
    return folder


def test_a_bundle_takes_a_head(tmp_path: Path, bundle: Path, trained: Path) -> None:
    ours = tmp_path / "bundle"
    shutil.copytree(bundle, ours)
    before = tomllib.loads((ours / "manifest.toml").read_text(encoding="utf-8"))
    known = listed(ours)
    golden = load_tensors(ours / GOLDEN)
    put_head("genres", trained, ours)
    after = tomllib.loads((ours / "manifest.toml").read_text(encoding="utf-8"))
    for key in before.keys() - {"checksums"}:
        assert after[key] == before[key], key
    assert set(listed(ours)["tracks"]) == {*known["tracks"], "real:polka"}
    assert "00ff" in listed(ours)["pcm_sha256"] and listed(ours)["material"] == known["material"]
    assert after["checksums"].keys() == before["checksums"].keys()
    for path, digest in after["checksums"].items():
        assert hashlib.sha256((ours / path).read_bytes()).hexdigest() == digest, path
    changed = {"heads/genres.toml", "heads/genres.safetensors", "training.toml", GOLDEN}
    assert {p for p in after["checksums"] if after["checksums"][p] != before["checksums"][p]} == changed
    scores = load_tensors(ours / GOLDEN)
    head = load_head(trained / "heads/genres.toml")
    own = {f"{trunk}.scores.genres" for trunk in ("streamed", "windowed")}
    for name in own:
        embedding = golden[name.replace("scores.genres", "embedding")]
        np.testing.assert_array_equal(scores[name], head.scores(embedding))
    for kept in golden.keys() - own:
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
