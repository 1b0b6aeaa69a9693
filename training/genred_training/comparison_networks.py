"""The compared networks that are trained from scratch: 1-D on the waveform, 2-D on log-mel frames.

TensorFlow is imported when the first is fitted. Training is seeded and on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .clips import SEED
from .comparison_models import FLOAT, Fitted, Recipe, Training

BATCH = 16
EPOCHS = 30
RATE = 2e-3
# Light augmentation: a gain in ±6 dB and a cyclic shift by any time.
GAIN_DB = 6.0
# log10(1 + 10000 power), as the front end compresses.
COMPRESSION, LN_10 = 10_000.0, float(np.log(10.0))


def waveform_network(training: Training) -> Fitted:
    """Strided convolutions on samples, the first of 16 ms."""
    from keras import Sequential, layers

    _prepare()
    shape = training.inputs.shape[1:]
    network = Sequential([layers.Input(shape), layers.Reshape((*shape, 1))])
    # Samples of a master lie far below full scale.
    network.add(layers.Rescaling(10.0))
    for filters, length, stride, pool in ((32, 256, 64, 2), (48, 9, 2, 2), (64, 5, 1, 2), (96, 3, 1, 2)):
        network.add(layers.Conv1D(filters, length, strides=stride, padding="same", use_bias=False))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.ReLU())
        network.add(layers.MaxPooling1D(pool))
    network.add(layers.GlobalAveragePooling1D())
    return _train(network, training, _alter_samples)


def log_mel_network(training: Training) -> Fitted:
    """Small square convolutions on the front end's frames, in the manner of VGG."""
    from keras import Sequential, layers

    _prepare()
    shape = training.inputs.shape[1:]
    network = Sequential([layers.Input(shape)])
    level = layers.Normalization(axis=-1)
    level.adapt(training.inputs)
    network.add(level)
    network.add(layers.Reshape((*shape, 1)))
    for filters, stride, pool in ((16, 2, 2), (32, 1, 2), (64, 1, 2), (64, 1, 1)):
        network.add(layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.ReLU())
        if pool > 1:
            network.add(layers.MaxPooling2D(pool))
    network.add(layers.GlobalAveragePooling2D())
    return _train(network, training, _alter_frames)


def _prepare() -> None:
    """One thread, and the seed before the layers are made, because they draw their weights then."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.utils.set_random_seed(SEED)


def _alter_samples(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gains = 10 ** (rng.uniform(-GAIN_DB, GAIN_DB, len(rows)) / 20)
    shifted = [np.roll(row, rng.integers(len(row))) for row in rows]
    return (np.stack(shifted) * gains[:, None]).astype(np.float32)


def _alter_frames(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gains = 10 ** (rng.uniform(-GAIN_DB, GAIN_DB, len(rows)) / 10)
    shifted = np.stack([np.roll(row, rng.integers(len(row)), axis=0) for row in rows])
    return (np.log1p(np.expm1(shifted * LN_10) * gains[:, None, None]) / LN_10).astype(np.float32)


def _batches(
    training: Training, alter: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Batches of altered clips, labels and weights without end, every clip once an epoch."""
    rng = np.random.default_rng(SEED)
    count = np.bincount(training.label)
    weight = (len(training.label) / len(count) / count)[training.label]
    while True:
        order = rng.permutation(len(training.label))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[first : first + BATCH]
            yield alter(training.inputs[rows], rng), training.label[rows], weight[rows]


def _train(
    network: object, training: Training, alter: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> Fitted:
    """Adam with a cosine decay, drop-out before the last layer, a fixed number of epochs."""
    import keras
    from keras import layers

    network.add(layers.Dropout(0.3))
    network.add(layers.Dense(int(training.label.max()) + 1, activation="softmax"))
    steps = len(training.label) // BATCH
    network.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(RATE, EPOCHS * steps), weight_decay=1e-3
        ),
        loss="sparse_categorical_crossentropy",
        jit_compile=False,
    )
    network.fit(
        _batches(training, alter),
        epochs=EPOCHS,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )
    parameters = sum(int(np.prod(weight.shape)) for weight in network.weights)
    return Fitted(_Compiled(network), FLOAT * parameters)


class _Compiled:
    """A network as one compiled function, called on up to 32 rows."""

    def __init__(self, network: object):
        import tensorflow as tf

        self.function = tf.function(lambda rows: network(rows, training=False), reduce_retracing=True)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        parts = [self.function(inputs[first : first + 32]).numpy() for first in range(0, len(inputs), 32)]
        return np.concatenate(parts).astype(np.float64)


RECIPES = [
    Recipe("waveform, 1-D CNN from scratch", "waveform", waveform_network),
    Recipe("log-mel, 2-D CNN from scratch", "log-mel", log_mel_network),
]
