"""The daemon's decision stage (`src/decision/`) for tuning: the same rules, in single threads of numba, over whole streams."""

from dataclasses import dataclass, fields

import numba
import numpy as np

SETTLED, MOST, SURE, LEAST_STEP, MOST_SECONDS = 3.0, 3.0, 0.8, 0.125, 3.0
NOISE, NOISE_CHANGE, NOISE_LEAD = 0.3, 0.1, 8.0
UNLIKELY, REPLACE_INTERRUPTED = 0.05, 20.0
STOOD, INTERRUPTION, ALIKE, INTERRUPTS = 90.0, 60.0, 0.05, 0.33
UNCERTAIN = -1


@dataclass(frozen=True)
class Config:
    """`[decision]` of the configuration, with its defaults."""

    change_distance: float = 0.57
    change_seconds: float = 1.5
    lead: float = 0.75
    clear: float = 0.75
    replace: float = 150.0
    memory: float = 600.0
    carry: float = 40.0
    least: float = 0.15

    def array(self) -> np.ndarray:
        return np.array([getattr(self, field.name) for field in fields(self)])


def shares(posteriors: np.ndarray, gate: np.ndarray | None = None) -> np.ndarray:
    """How patches share themselves out among labels, speech and noise: `[patches, labels + 2]`, rows sum to 1.

    `posteriors`: `[patches, labels]`; `gate`: `[patches, 3]`, music, speech and noise.
    """
    labels = posteriors.shape[1]
    total = posteriors.sum(1, keepdims=True)
    music = posteriors / np.maximum(total, 1) + np.maximum(1 - total, 0) / labels
    if gate is None:
        return np.pad(music, ((0, 0), (0, 2)))
    gate = gate / gate.sum(1, keepdims=True)
    return np.hstack([music * gate[:, :1], gate[:, 1:]])


def decide(times: np.ndarray, patches: np.ndarray, config: Config, first: float = 1.0) -> np.ndarray:
    """The state that is published after each patch, or `UNCERTAIN`.

    `times`: ends of the patches in seconds; `patches`: their `shares`; `first`: seconds that the first one stands for.
    """
    return _decide(times, np.ascontiguousarray(patches, dtype=float), config.array(), first)


@numba.njit(cache=True)
def _distance(one, one_sum, other, other_sum):
    if one_sum <= 0.0 or other_sum <= 0.0:
        return 0.0
    return max(0.0, 1.0 - np.sqrt(one * other).sum() / np.sqrt(one_sum * other_sum))


@numba.njit(cache=True)
def _decide(times, patches, config, first):
    change_distance, change_seconds, lead, clear, replace, memory, carry, least = config
    count, states = patches.shape
    others = max(states - 2, 2) - 1.0
    rest = (1.0 - SURE) / others
    unit = 1.0 - 2.0 * np.sqrt(SURE * rest) - (others - 1.0) * rest
    run, waiting, before, earlier = np.zeros(states), np.zeros(states), np.zeros(states), np.zeros(states)
    run_s, waiting_s, before_s, earlier_s = 0.0, 0.0, 0.0, 0.0
    total, age, waited, held, held_for, settled = 0.0, 0.0, 0.0, UNCERTAIN, 0.0, False
    interrupted = False
    published = np.empty(count, np.int64)
    for index in range(count):
        patch = patches[index]
        seconds = first if index == 0 else min(max(times[index] - times[index - 1], 0.0), MOST_SECONDS)
        changed = False
        age += seconds
        waited += seconds
        held_for += seconds
        lasted = seconds
        seconds = lasted * (1.0 - (1.0 - NOISE) * patch[states - 1])
        if run_s >= SETTLED:
            beyond = (_distance(run, run_s, patch, 1.0) / unit - change_distance) / (1.0 - change_distance)
            total = max(0.0, total + min(beyond, MOST) * lasted * (1.0 - (1.0 - NOISE_CHANGE) * patch[states - 1]))
        if total == 0.0:
            if waiting_s > 0.0:
                kept = np.exp(-waiting_s / memory)
                run = run * kept + waiting
                run_s = run_s * kept + waiting_s
                waiting[:] = 0.0
                waiting_s = 0.0
            kept = np.exp(-seconds / memory)
            run = run * kept + patch * seconds
            run_s = run_s * kept + seconds
        else:
            if waiting_s == 0.0:
                waited = lasted
            waiting += patch * seconds
            waiting_s += seconds
            if total >= change_seconds:
                earlier, earlier_s = before, before_s
                before, before_s = run, run_s
                length = age - waited
                run, run_s = waiting, waiting_s
                waiting, waiting_s = np.zeros(states), 0.0
                total, age, changed = 0.0, waited, True
                back = _distance(run, run_s, earlier, earlier_s) / unit
                interrupted = earlier_s > 0.0 and length < INTERRUPTION and back < ALIKE
                if interrupted:
                    kept = min(INTERRUPTS * (earlier_s + run_s) / before_s, 1.0)
                    before, before_s = before * kept, before_s * kept
                    run, run_s = run + before + earlier, run_s + before_s + earlier_s
                    before, before_s = np.zeros(states), 0.0
        settled = settled and not changed
        order = np.argsort(-run, kind="mergesort")
        best, second = order[0], order[1]
        likely = run_s > 0.0 and run[best] / run_s >= least
        needed = lead
        if held != UNCERTAIN and held != best:
            step = _distance(run, run_s, before, before_s) / unit if before_s > 0.0 else 1.0
            needed = lead / min(max(step, LEAST_STEP), 1.0)
        if best == states - 1:
            needed *= NOISE_LEAD
        if held != UNCERTAIN and held != best and carry > 0.0:
            stood = min(max(held_for - age, 0.0) / STOOD, 1.0)
            needed = max(needed, clear * stood * max(1.0 - age / carry, 0.0) * run_s)
        if held != UNCERTAIN and settled and best != held and (held == states - 1 or run[held] < UNLIKELY * run_s):
            if likely and run[best] - run[second] >= (NOISE_LEAD * lead if best == states - 1 else lead):
                held = best
        elif held != UNCERTAIN and settled:
            if run[best] - run[held] >= (min(replace, REPLACE_INTERRUPTED) if interrupted else replace) and best != held and likely:
                held = best
        elif likely and run[best] - run[second] >= needed:
            held = best
            settled = True
        elif age >= carry:
            held = UNCERTAIN
        if index > 0 and held != published[index - 1]:
            held_for = 0.0
        published[index] = held
    return published
