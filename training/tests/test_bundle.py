"""The bundle's files agree with its manifest and with each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from genred_training.bundle import MANIFEST, checksums
from genred_training.heads import load_head


def test_checksums_cover_every_file(bundle: Path) -> None:
    manifest = tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["checksums"] == checksums(bundle)


def test_manifest_names_files_that_exist(bundle: Path) -> None:
    manifest = tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["format"] == 2
    streamed, windowed = manifest["trunk"]["streamed"], manifest["trunk"]["windowed"]
    named = [streamed["file"], streamed["pooling"], windowed["file"], manifest["golden"]["file"]]
    named += [manifest["training"], manifest["embedding"]["statistics"]]
    for path in named:
        assert path in manifest["checksums"]


@pytest.mark.parametrize("name", ["tags", "genres", "gate"])
def test_head_is_whole(bundle: Path, name: str) -> None:
    manifest = tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    head = load_head(bundle / "heads" / f"{name}.toml")
    units = head.units or head.labels
    assert head.embedding_id == manifest["embedding"]["id"]
    dim = manifest["embedding"]["dim"]
    if head.hidden_weight is not None:
        hidden, inputs = head.hidden_weight.shape
        assert inputs == dim and head.hidden_bias.shape == (hidden,)
        dim = hidden
    assert head.weight.shape == (len(units), dim)
    assert head.bias.shape == (len(units),)
    assert len(set(units)) == len(units)


@pytest.mark.parametrize("trunk", ["streamed", "windowed"])
@pytest.mark.parametrize("name", ["tags", "genres", "gate"])
def test_head_gives_golden_scores(bundle: Path, golden: dict[str, np.ndarray], name: str, trunk: str) -> None:
    head = load_head(bundle / "heads" / f"{name}.toml")
    scores = head.scores(golden[f"{trunk}.embedding"])
    np.testing.assert_allclose(scores, golden[f"{trunk}.scores.{name}"], rtol=0, atol=1e-6)
    if head.kind == "single":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)


def test_tag_scores_are_the_activations(golden: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(golden["windowed.scores.tags"], golden["windowed.activations"], rtol=0, atol=2e-6)
