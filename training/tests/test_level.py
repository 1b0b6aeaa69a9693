"""Quiet sound is judged as loud sound is, and loud sound as MusiCNN does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genred_training.compare import INPUT, OUTPUTS, open_session
from genred_training.level import COMPRESSION, MAX_GAIN_DB, REFERENCE_DB, levelled


def patch_of(power: np.ndarray) -> np.ndarray:
    return np.log10(1.0 + COMPRESSION * power).astype(np.float32)


@pytest.fixture(scope="module")
def power() -> np.ndarray:
    """Mel power `[1, 187, 96]` of the reference level."""
    random = np.random.default_rng(1)
    power = np.exp(2.0 * random.standard_normal((1, 187, 96)))
    return power * 10 ** (REFERENCE_DB / 10) / power.mean()


def test_a_loud_patch_is_left_alone(power: np.ndarray) -> None:
    np.testing.assert_allclose(levelled(patch_of(4.0 * power)), patch_of(4.0 * power), atol=1e-6)


@pytest.mark.parametrize("decibels", [-6.0, -20.0, -30.0])
def test_a_quiet_patch_is_lifted(power: np.ndarray, decibels: float) -> None:
    # What float32 holds of 1 + 10000 power bounds how well the quietest bands come back.
    quiet = patch_of(power * 10 ** (decibels / 10))
    np.testing.assert_allclose(levelled(quiet), patch_of(power), atol=2e-3)


def test_the_gain_ends(power: np.ndarray) -> None:
    quiet = levelled(patch_of(power * 10 ** (-(MAX_GAIN_DB + 10.0) / 10)))
    np.testing.assert_allclose(quiet, patch_of(0.1 * power), atol=2e-2)
    silence = np.zeros((1, 187, 96), dtype=np.float32)
    np.testing.assert_array_equal(levelled(silence), silence)


@pytest.mark.parametrize("name", ["reference", "trunk"])
def test_the_networks_begin_with_it(bundle: Path, power: np.ndarray, name: str) -> None:
    session = open_session(bundle / f"{name}.onnx")
    loud, quiet = (session.run(OUTPUTS, {INPUT: patch_of(p)})[1] for p in (power, 0.01 * power))
    # Without the level they differ by more than 1.
    np.testing.assert_allclose(quiet, loud, atol=0.02)
