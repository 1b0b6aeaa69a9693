"""What the head says of each piece as a whole, by `genred classify`: what is right for the decision stage."""

import json
import subprocess
from collections import Counter


def settle(program, environment, day, tracks):
    """The label of each stretch: of music the head's, of all else the truth's own."""
    played = {stretch.track for stretch in day.stretches if stretch.kind == "music"}
    windows = {}
    for track in tracks:
        if track.name in played:
            command = [program, "classify", "--json", track.path]
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
            if done.returncode:
                raise SystemExit(f"broadcast_day: genred classify failed: {done.stderr.decode()}")
            windows[track.name] = json.loads(done.stdout)["windows"]
    return [verdict(windows[s.track], s.offset, s.end - s.start) if s.kind == "music" else s.label for s in day.stretches]


def verdict(windows, start, seconds):
    """As `classify` makes it, of the windows of a part: the most frequent state; of music, the best mean posterior."""
    within = [window for window in windows if window["start"] >= start and window["end"] <= start + seconds]
    if not within:
        return None
    state = Counter(window["state"] for window in within).most_common(1)[0][0]
    if state != "music":
        return state
    total = Counter()
    for window in within:
        if window["state"] == "music":
            total.update(window["scores"])
    return max(total, key=total.get)
