"""The teacher of genres: which tags speak for which genre, and their corrections.

Million Song Dataset tags have no `classical`, `disco` or `reggae`. On GTZAN's training split
`instrumental` stands out for classical music and `funk` for disco, and both are used; nothing
stands out for reggae (it lights up `soul`, `funk` and `pop`), so that `reggae` is not a label.
Tags that name several genres (`dance`, `chillout`, `acoustic`), decades, moods and voices are
not used.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

import numpy as np

from .heads import Head

GENRES: dict[str, list[str]] = {
    "ambient": ["ambient"],
    "blues": ["blues"],
    "classical": ["instrumental"],
    "country": ["country"],
    "disco-funk": ["funk"],
    "electronic": ["electronic", "electronica", "electro", "House"],
    "folk": ["folk"],
    "hip-hop": ["Hip-Hop"],
    "jazz": ["jazz"],
    "metal": ["metal", "heavy metal"],
    "pop": ["pop"],
    "punk": ["punk"],
    "rnb-soul": ["soul", "rnb"],
    "rock": [
        "rock",
        "alternative",
        "indie",
        "alternative rock",
        "classic rock",
        "indie rock",
        "hard rock",
        "Progressive rock",
    ],
}
UNITS: list[str] = [unit for units in GENRES.values() for unit in units]
CORRECTIONS_FILE = "genre_corrections.toml"


def prior_corrections(tags: list[str]) -> np.ndarray:
    """What is added to each unit's logit because popular tags are likelier: `[units]`, in nats.

    The 50 `tags` are published in descending order of frequency, and frequency falls about
    with the square root of the rank, so that the correction is half the rank's logarithm.
    """
    ranks = np.array([tags.index(unit) + 1 for unit in UNITS], dtype=np.float64)
    return 0.5 * np.log(ranks)


def membership() -> np.ndarray:
    """Which unit belongs to which genre: 0 or 1, `[units, genres]`."""
    return np.array([[unit in units for units in GENRES.values()] for unit in UNITS], dtype=np.float64)


@dataclass
class Corrections:
    """What was fitted: `[units]` in nats, prior correction included, on which tracks."""

    values: np.ndarray
    temperature: float
    tracks: list[str]


def load_corrections() -> Corrections:
    """The fitted corrections that lie beside this module."""
    text = resources.files(__package__).joinpath(CORRECTIONS_FILE).read_text(encoding="utf-8")
    table = tomllib.loads(text)
    values = np.array([table["corrections"][unit] for unit in UNITS])
    return Corrections(values, table["temperature"], table["tracks"])


def teacher_head(tags: Head) -> Head:
    """The tag head's rows, corrected: what the tags alone say of genres, reggae not among them."""
    corrections = load_corrections()
    rows = [tags.labels.index(unit) for unit in UNITS]
    return Head(
        name="teacher",
        kind="single",
        embedding_id=tags.embedding_id,
        weight=tags.weight[rows],
        bias=(tags.bias[rows].astype(np.float64) + corrections.values).astype(np.float32),
        labels=list(GENRES),
        units=UNITS,
        label_map=GENRES,
        temperature=corrections.temperature,
    )
