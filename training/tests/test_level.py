"""Quiet sound is judged as loud sound is, and loud sound as MusiCNN does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from genred_training.compare import INPUT, OUTPUTS, open_session
from genred_training.level import (
    BASS,
    COMPRESSION,
    MAX_BASS_DB,
    MAX_GAIN_DB,
    MIDS,
    REFERENCE_DB,
    SLACK_DB,
    USUAL_BASS_DB,
    levelled,
)
from genred_training.reference import REFERENCE


def patch_of(power: np.ndarray) -> np.ndarray:
    return np.log10(1.0 + COMPRESSION * power).astype(np.float32)


@pytest.fixture(scope="module")
def power() -> np.ndarray:
    """Mel power `[1, 187, 96]` of the reference level, with the usual bass."""
    random = np.random.default_rng(1)
    power = np.exp(2.0 * random.standard_normal((1, 187, 96)))
    power[:, :, :BASS] *= 10 ** (np.array(USUAL_BASS_DB) / 10)
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


def bass_of(patch: np.ndarray) -> np.ndarray:
    """Power of each bass band beside the mids, in dB."""
    mean = np.expm1(patch.astype(np.float64) * np.log(10)).mean(axis=(0, 1))
    return 10 * np.log10(mean[:BASS] / mean[slice(*MIDS)].mean())


@pytest.mark.parametrize("lost", [3.0, 12.0, 25.0, 60.0])
def test_bass_that_is_missing_is_given_back(power: np.ndarray, lost: float) -> None:
    thin = 4.0 * power
    thin[:, :, :BASS] *= 10 ** (-lost / 10)
    before, after = patch_of(thin), levelled(patch_of(thin))
    least = np.array(USUAL_BASS_DB) - SLACK_DB
    expected = np.clip(least, bass_of(before), bass_of(before) + MAX_BASS_DB)
    np.testing.assert_allclose(bass_of(after), expected, atol=0.05)
    np.testing.assert_allclose(after[:, :, BASS:], before[:, :, BASS:], atol=1e-6)
    assert (lost > SLACK_DB) == bool((bass_of(after) > bass_of(before) + 1.0).all())


@pytest.mark.parametrize("name", ["reference", "trunk"])
def test_the_networks_level_as_numpy_does(bundle: Path, power: np.ndarray, name: str) -> None:
    """What has its level and its bass passes unchanged, so that levelling first makes no difference."""
    session = open_session(REFERENCE if name == "reference" else bundle / "windowed.onnx")
    thin = 0.01 * power
    thin[:, :, :BASS] *= 10 ** (-20.0 / 10)
    plain, levelled_first, full = (
        session.run(OUTPUTS, {INPUT: p})[1] for p in (patch_of(thin), levelled(patch_of(thin)), patch_of(power))
    )
    np.testing.assert_allclose(plain, levelled_first, atol=0.02)
    assert np.abs(plain - full).max() > 1.0, "six decibels less bass than usual make a difference"


@pytest.mark.parametrize("name", ["reference", "trunk"])
def test_the_networks_begin_with_it(bundle: Path, power: np.ndarray, name: str) -> None:
    session = open_session(REFERENCE if name == "reference" else bundle / "windowed.onnx")
    loud, quiet = (session.run(OUTPUTS, {INPUT: patch_of(p)})[1] for p in (power, 0.01 * power))
    # Without the level they differ by more than 1.
    np.testing.assert_allclose(quiet, loud, atol=0.02)
