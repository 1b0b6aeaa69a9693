"""Reading and writing safetensors files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save


def save_tensors(tensors: dict[str, np.ndarray], path: Path) -> None:
    """Writes float32 tensors; arrays of another memory order are brought into C order first.

    The library writes an array's buffer as it lies in memory.
    """
    rows = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}
    path.write_bytes(save(rows))


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name."""
    return load_file(path)
