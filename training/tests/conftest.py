"""What the tests share: the shipped bundle and its golden patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from genred_training.tensors import load_tensors

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "musicnn-msd"


@pytest.fixture(scope="session")
def bundle() -> Path:
    return BUNDLE


@pytest.fixture(scope="session")
def golden(bundle: Path) -> dict[str, np.ndarray]:
    return load_tensors(bundle / "golden" / "golden.safetensors")
