"""The published MusiCNN: its wheel, its weights, and its own TensorFlow graph.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio
tagging", ISMIR late-breaking demo, 2019. ISC licence.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np

PACKAGE = "musicnn==0.1.0"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
MODEL = "MSD_musicnn"
LICENCE_FILE = "musicnn-0.1.0.dist-info/LICENSE.md"

FRAMES = 187
BANDS = 96
TAGS = 50
# Outputs of the dense layer before the tags.
DENSE = 200
BATCH_NORM_EPSILON = 1e-3

Weights = dict[str, np.ndarray]


def fetch_wheel(folder: Path) -> Path:
    """Downloads the wheel from PyPI into `folder` and returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True, stdout=sys.stderr)
    return next(folder.glob("musicnn-0.1.0-*.whl"))


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Verifies the wheel's sha256 and unpacks it into `folder`.

    Raises `ValueError` where the file is not the published wheel.
    """
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(f"`{wheel}` has sha256 {digest}, expected {WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    # The checkpoint's files are named `.index` and `.data-…`, with an empty prefix, which
    # TensorFlow's reader cannot be asked for.
    for file in sorted((folder / "musicnn" / MODEL).glob(".*")):
        file.rename(file.with_name("model" + file.name))


def labels(folder: Path) -> list[str]:
    """The 50 tags in the order of the network's outputs."""
    tree = ast.parse((folder / "musicnn" / "configuration.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MSD_LABELS":
            return list(ast.literal_eval(node.value))
    raise ValueError("`configuration.py` has no `MSD_LABELS`")


def checkpoint_prefix(folder: Path) -> str:
    """The prefix that TensorFlow's checkpoint reader takes."""
    return str(folder / "musicnn" / MODEL / "model")


def load_weights(folder: Path) -> Weights:
    """The network's weights, float32, by variable name; the optimiser's state is left out."""
    tensorflow = _tensorflow()
    reader = tensorflow.train.load_checkpoint(checkpoint_prefix(folder))
    names = sorted(reader.get_variable_to_shape_map())
    return {n: reader.get_tensor(n) for n in names if "Adam" not in n and "_power" not in n}


def affine(weights: Weights, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float64, of the batch norm with that index: `y = scale * x + shift`."""
    prefix = "batch_normalization" + (f"_{index}" if index else "")
    gamma, beta, mean, variance = (
        weights[f"{prefix}/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    return scale, beta - mean * scale


def run_original(folder: Path, log_mel: np.ndarray, pooled_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs the authors' own graph definition with the published checkpoint.

    `log_mel` is float32 `[n, 187, 96]`; returns the activations `[n, 50]` in 0..1, and
    the dense layer's output joined with those of its inputs that `pooled_at` names, `[n, 200 + pooled]`,
    both float32. Among the inputs the maximum and the mean of each feature over time alternate.
    """
    tensorflow = _tensorflow()
    models = _original_models(folder)
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default():
        patches = v1.placeholder(tensorflow.float32, [None, FRAMES, BANDS])
        outputs = models.define_model(patches, tensorflow.constant(False), MODEL, TAGS)
        activations = tensorflow.sigmoid(outputs[0])
        threads = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with v1.Session(config=threads) as session:
            v1.train.Saver().restore(session, checkpoint_prefix(folder))
            # One patch a run, as the authors' extractor does.
            wanted = [activations, outputs[-1], outputs[-2], outputs[-3]]
            rows = [session.run(wanted, {patches: patch[None]}) for patch in log_mel]
    activations, dense, largest, mean = (np.concatenate(column) for column in zip(*rows, strict=True))
    pooled = np.stack([largest, mean], axis=2).reshape(len(dense), -1)[:, pooled_at]
    scale, shift = affine(load_weights(folder), 9)
    normed = (pooled * scale[pooled_at] + shift[pooled_at]).astype(np.float32)
    return activations, np.concatenate([dense, normed], axis=1)


def _tensorflow():
    """TensorFlow with the layers of its first version, quiet, on one code path."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow

    return tensorflow


def _original_models(folder: Path):
    """Imports `musicnn.models` from the unpacked wheel.

    The package's `__init__` imports its command line and audio loader, which are not
    wanted here, so that a bare package stands in for it.
    """
    package = types.ModuleType("musicnn")
    package.__path__ = [str(folder / "musicnn")]
    sys.modules["musicnn"] = package
    return importlib.import_module("musicnn.models")
