"""Labels of whole pieces by `genred classify`, as the truth for the decision stage."""

import json
import subprocess
from collections import Counter


def settle(program, environment, day, tracks):
    """Label of each stretch: the head's for music, otherwise the true one."""
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
    """Verdict on the windows of a part, as in `classify`: the most frequent state; for music, the
    highest mean posterior."""
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
