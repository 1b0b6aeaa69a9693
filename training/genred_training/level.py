"""The level at which a patch is judged: quiet patches are made as loud as the trunk's training material,
and bass that a small loudspeaker left out is given back.

MusiCNN was trained on loud masters and its compression, `log10(1 + 10000 power)`, is no logarithm
for quiet sound: turn a song down by 20 dB and it becomes another one to the network. So a patch
whose mean mel power lies below that of a usual master is lifted to it, by at most `MAX_GAIN_DB`;
a louder one is left alone. Then each of the bands below 330 Hz that is weaker beside the bands from
330 to 900 Hz than bass usually is, less `SLACK_DB`, is lifted to that, by at most `MAX_BASS_DB`.
Both networks of a bundle begin with this.
"""

from __future__ import annotations

import numpy as np

from .graph import Graph
from .musicnn import BANDS

# Half of GTZAN's clips have a mean mel power (over frames and bands) above this, in dB.
REFERENCE_DB = -2.5
MAX_GAIN_DB = 36.0
COMPRESSION = 10_000.0
# Power of each of the lowest bands beside the mean of the bands `MIDS`, in dB: the medians of
# GTZAN's clips, smoothed over bands with a standard deviation of 1.5.
USUAL_BASS_DB = (5.0, 6.5, 7.5, 7.5, 6.8, 5.8, 4.8, 3.8, 3.0, 2.3)
BASS = len(USUAL_BASS_DB)
MIDS = (BASS, 28)
SLACK_DB = 6.0
MAX_BASS_DB = 30.0

_LN_10 = float(np.log(10.0))
# What the mean of 10000 * power is lifted to, and by how much at most.
_REFERENCE = COMPRESSION * 10 ** (REFERENCE_DB / 10)
_MAX_GAIN = 10 ** (MAX_GAIN_DB / 10)
_LEAST_BASS = 10 ** ((np.array(USUAL_BASS_DB) - SLACK_DB) / 10)
_MAX_BASS = 10 ** (MAX_BASS_DB / 10)
# Digital silence has no power to divide by; the gain ends long before.
_SMALLEST = 1e-3


def levelled(patches: np.ndarray) -> np.ndarray:
    """Log-mel patches `[n, frames, bands]` at their level, in float64, rounded to float32."""
    scaled = np.expm1(patches.astype(np.float64) * _LN_10)
    bands = scaled.mean(axis=1, keepdims=True)
    gain = np.clip(_REFERENCE / np.maximum(bands.mean(axis=2, keepdims=True), _SMALLEST), 1.0, _MAX_GAIN)
    wanted = bands[:, :, slice(*MIDS)].mean(axis=2, keepdims=True) * _LEAST_BASS
    bass = np.clip(wanted / np.maximum(bands[:, :, :BASS], _SMALLEST), 1.0, _MAX_BASS)
    scaled *= gain
    scaled[:, :, :BASS] *= bass
    return (np.log1p(scaled) / _LN_10).astype(np.float32)


def add_level(graph: Graph, patches: str) -> str:
    """Adds the same to a graph; `patches` is `[batch, frames, bands]`."""
    powers = graph.add("Exp", graph.add("Mul", patches, np.float32(_LN_10)))
    scaled = graph.add("Sub", powers, np.float32(1.0))
    bands = graph.add("ReduceMean", scaled, axes=[1], keepdims=1)
    mean = graph.add("ReduceMean", bands, axes=[2], keepdims=1)
    gain = _ratio(graph, np.float32(_REFERENCE), mean, _MAX_GAIN)
    mids = graph.add("ReduceMean", graph.slice(bands, 2, *MIDS), axes=[2], keepdims=1)
    wanted = graph.add("Mul", mids, _LEAST_BASS.astype(np.float32))
    bass = _ratio(graph, wanted, graph.slice(bands, 2, 0, BASS), _MAX_BASS)
    others = graph.add("Pad", bass, np.array([0, 0, 0, 0, 0, BANDS - BASS], dtype=np.int64), np.float32(1.0))
    lifted = graph.add("Mul", scaled, graph.add("Mul", others, gain))
    lifted = graph.add("Add", lifted, np.float32(1.0))
    return graph.add("Mul", graph.add("Log", lifted), np.float32(1.0 / _LN_10))


def _ratio(graph: Graph, wanted: str | np.ndarray, found: str, largest: float) -> str:
    """`wanted / found`, from 1 to `largest`."""
    ratio = graph.add("Div", wanted, graph.add("Max", found, np.float32(_SMALLEST)))
    return graph.add("Max", graph.add("Min", ratio, np.float32(largest)), np.float32(1.0))
