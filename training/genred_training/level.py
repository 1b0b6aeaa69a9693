"""The level at which a patch is judged: quiet patches are made as loud as the trunk's training material.

MusiCNN was trained on loud masters and its compression, `log10(1 + 10000 power)`, is no logarithm
for quiet sound: turn a song down by 20 dB and it becomes another one to the network. So a patch
whose mean mel power lies below that of a usual master is lifted to it, by at most `MAX_GAIN_DB`;
a louder one is left alone. Both networks of a bundle begin with this.
"""

from __future__ import annotations

import numpy as np

from .graph import Graph

# Half of GTZAN's clips have a mean mel power (over frames and bands) above this, in dB.
REFERENCE_DB = -2.5
MAX_GAIN_DB = 36.0
COMPRESSION = 10_000.0

_LN_10 = float(np.log(10.0))
# What the mean of 10000 * power is lifted to, and by how much at most.
_REFERENCE = COMPRESSION * 10 ** (REFERENCE_DB / 10)
_MAX_GAIN = 10 ** (MAX_GAIN_DB / 10)
# Digital silence has no power to divide by; the gain ends long before.
_SMALLEST = 1e-3


def levelled(patches: np.ndarray) -> np.ndarray:
    """Log-mel patches `[n, frames, bands]` at their level, in float64, rounded to float32."""
    scaled = np.expm1(patches.astype(np.float64) * _LN_10)
    mean = scaled.mean(axis=(1, 2), keepdims=True)
    gain = np.clip(_REFERENCE / np.maximum(mean, _SMALLEST), 1.0, _MAX_GAIN)
    return (np.log1p(gain * scaled) / _LN_10).astype(np.float32)


def add_level(graph: Graph, patches: str) -> str:
    """Adds the same to a graph; `patches` is `[batch, frames, bands]`."""
    powers = graph.add("Exp", graph.add("Mul", patches, np.float32(_LN_10)))
    scaled = graph.add("Sub", powers, np.float32(1.0))
    mean = graph.add("ReduceMean", scaled, axes=[1, 2], keepdims=1)
    gain = graph.add("Div", np.float32(_REFERENCE), graph.add("Max", mean, np.float32(_SMALLEST)))
    gain = graph.add("Max", graph.add("Min", gain, np.float32(_MAX_GAIN)), np.float32(1.0))
    lifted = graph.add("Add", graph.add("Mul", scaled, gain), np.float32(1.0))
    return graph.add("Mul", graph.add("Log", lifted), np.float32(1.0 / _LN_10))
