"""The trunk, the reference and the golden outputs are one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from genred_training.compare import INPUT, OUTPUTS, open_session, random_patches
from genred_training.reference import REFERENCE

# Rounding of float32, against a float64 evaluation or between two orders of the sums: measured
# 5.5e-7 in the activations, 9.2e-5 in the embedding, whose values reach 70.
ACTIVATIONS, EMBEDDING = 2e-6, 2e-4


@pytest.fixture(scope="module")
def sessions(bundle: Path) -> dict[str, onnxruntime.InferenceSession]:
    return {"reference": open_session(REFERENCE), "trunk": open_session(bundle / "windowed.onnx")}


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=ACTIVATIONS)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=EMBEDDING)


@pytest.mark.parametrize("name", ["reference", "trunk"])
def test_golden_outputs(sessions, golden: dict[str, np.ndarray], name: str) -> None:
    found = sessions[name].run(OUTPUTS, {INPUT: golden[INPUT]})
    assert_same(found, [golden["windowed.activations"], golden["windowed.embedding"]])


def test_trunk_is_the_reference_on_random_patches(sessions) -> None:
    patches = random_patches()
    expected = sessions["reference"].run(OUTPUTS, {INPUT: patches})
    assert_same(sessions["trunk"].run(OUTPUTS, {INPUT: patches}), expected)


def test_trunk_is_the_reference_at_the_edges_of_a_patch(sessions) -> None:
    """An impulse in the first and the last frames, where zero padding acts."""
    patches = np.zeros((14, 187, 96), dtype=np.float32)
    for index in range(7):
        patches[index, index, 40] = 4.0
        patches[7 + index, 186 - index, 40] = 4.0
    expected = sessions["reference"].run(OUTPUTS, {INPUT: patches})
    assert_same(sessions["trunk"].run(OUTPUTS, {INPUT: patches}), expected)


@pytest.mark.parametrize("name", ["reference", "trunk"])
@pytest.mark.parametrize("batch", [1, 3])
def test_batch_is_dynamic(sessions, golden: dict[str, np.ndarray], name: str, batch: int) -> None:
    session = sessions[name]
    patches = golden[INPUT][:batch]
    activations, embedding = session.run(OUTPUTS, {INPUT: patches})
    assert activations.shape == (batch, 50)
    assert embedding.shape == (batch, 624)
    assert [i.shape[1:] for i in session.get_inputs()] == [[187, 96]]
    assert isinstance(session.get_inputs()[0].shape[0], str)
    single = session.run(OUTPUTS, {INPUT: patches[-1:]})
    assert_same(single, [activations[-1:], embedding[-1:]])
