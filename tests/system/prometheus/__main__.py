"""A real Prometheus scrapes a running daemon and raises the alerts of the guide."""

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from pathlib import Path

from processes import Failure, Process, free_port, until

#: Alerts that the daemon of this test raises, with their sources. The station of `music` plays
#: outside its format, `silent` is silent, `absent` does not exist, and neither does the broker.
EXPECTED = {
    ("GenredDeadAir", "silent"),
    ("GenredOffFormat", "music"),
    ("GenredSourceLost", "absent"),
    ("GenredBrokerUnreachable", None),
}


def expect(condition, message):
    if not condition:
        raise Failure(message)


def get(url, accept="*/*"):
    """Status, headers and body of the answer to a request."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError as error:
        return None, {}, str(error)


def write_silence(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * 10))


class World:
    """The daemon, Prometheus, and what they are configured with."""

    def __init__(self, work, program, music, rules):
        self.work, self.program = work, program
        self.page = f"127.0.0.1:{free_port()}"
        self.prometheus_port = free_port()
        write_silence(work / "silence.wav")
        (work / "genred.toml").write_text(self.configuration(music, free_port(), free_port()))
        # The conditions last from the start, so that alerts need not wait.
        text, count = re.subn(r"for: \w+", "for: 1s", Path(rules).read_text())
        expect(count >= 6, f"{count} rules have a `for:`")
        (work / "rules.yml").write_text(text)
        (work / "prometheus.yml").write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
            "rule_files: [rules.yml]\n"
            f'scrape_configs: [{{ job_name: genred, static_configs: [{{ targets: ["{self.page}"] }}] }}]\n'
        )
        self.daemon = Process("genred", work / "genred.log")
        self.prometheus = Process("prometheus", work / "prometheus.log")

    def configuration(self, music, broker_port, absent_port):
        return f"""
node = "den"
state_dir = "{self.work}/state"
runtime_dir = "{self.work}/run"
[web]
bind = "{self.page}"
[mqtt]
url = "mqtt://127.0.0.1:{broker_port}"
[[source]]
name = "music"
uri = "file:{music}"
repeat = true
format = ["hip-hop"]
off_format_after_s = 1.0
[[source]]
name = "silent"
uri = "file:{self.work}/silence.wav"
repeat = true
[[source]]
name = "absent"
uri = "http://127.0.0.1:{absent_port}/"
"""

    def start(self):
        self.daemon.start([self.program, "run", "-c", self.work / "genred.toml"])
        until("the daemon answers", lambda: self.daemon.alive() or self.metrics()[0] == 200)
        command = ["prometheus", f"--config.file={self.work}/prometheus.yml"]
        command += [f"--storage.tsdb.path={self.work}/tsdb", f"--web.listen-address=127.0.0.1:{self.prometheus_port}"]
        self.prometheus.start(command)
        until("Prometheus is ready", lambda: self.prometheus.alive() or get(self.api("-/ready"))[0] == 200)

    def close(self):
        self.daemon.kill()
        self.prometheus.kill()

    def metrics(self, accept="*/*"):
        return get(f"http://{self.page}/metrics", accept)

    def api(self, path):
        return f"http://127.0.0.1:{self.prometheus_port}/{path}"

    def query(self, text):
        """Results of a query: labels and value."""
        path = "api/v1/query?" + urllib.parse.urlencode({"query": text})
        results = json.loads(get(self.api(path))[2])["data"]["result"]
        return [(result["metric"], float(result["value"][1])) for result in results]


def exposition(world):
    """promtool finds nothing wrong, and OpenMetrics is served to clients that ask for it."""
    _, headers, text = world.metrics()
    expect(headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers["Content-Type"])
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    expect(checked.returncode == 0 and not checked.stderr, f"promtool check metrics: {checked.stderr}")
    _, headers, text = world.metrics("application/openmetrics-text; version=1.0.0")
    expect("openmetrics-text" in headers["Content-Type"] and text.endswith("# EOF\n"), "no OpenMetrics")
    return f"{len(text.splitlines())} lines"


def scrape(world):
    """Prometheus reads every sample of the daemon."""

    def scraped():
        targets = json.loads(get(world.api("api/v1/targets"))[2])["data"]["activeTargets"]
        return next((target for target in targets if target["health"] == "up"), None)

    target = until("the target is up", scraped)
    expect(not target["lastError"], target["lastError"])
    until("music is classified", lambda: world.query('genred_source_info{source="music", state="music"}'))
    [(_, scored)] = world.query('genred_source_patches_scored_total{source="music"}')
    expect(scored > 0, "no patch of `music` is scored")
    age = world.query("time() - genred_source_last_audio_timestamp_seconds")
    expect({labels["source"] for labels, _ in age} == {"music", "silent"}, f"ages of audio: {age}")
    expect(all(value < 30 for _, value in age), f"ages of audio: {age}")
    return f"{target['lastScrapeDuration'] * 1000:.1f} ms"


def alerts(world):
    """The alerts of the guide are raised, and no other."""
    shown = []

    def firing():
        found = json.loads(get(world.api("api/v1/alerts"))[2])["data"]["alerts"]
        found = {(alert["labels"]["alertname"], alert["labels"].get("source")) for alert in found if alert["state"] == "firing"}
        shown[:] = sorted(map(str, found))
        return found >= EXPECTED and found

    begun = time.monotonic()
    found = until(lambda: f"all alerts fire, not only {', '.join(shown)}", firing, 120)
    expect(found == EXPECTED, f"other alerts fire as well: {found - EXPECTED}")
    return f"{len(found)} after {time.monotonic() - begun:.0f} s"


def health(world):
    """The daemon is alive and not ready, as its probe says."""
    status, _, body = get(f"http://{world.page}/health")
    expect((status, json.loads(body)["alive"]) == (200, True), f"/health: {status} {body}")
    status, _, body = get(f"http://{world.page}/ready")
    ready = json.loads(body)
    expect((status, ready["ready"]) == (503, False), f"/ready: {status} {body}")
    expect(ready["components"]["mqtt"]["ready"] is False, body)
    on_air = {name: source["ready"] for name, source in ready["sources"].items()}
    expect(on_air == {"music": True, "silent": True, "absent": False}, body)
    for arguments, expected in (([], 0), (["--ready"], 1)):
        command = [world.program, "health", "--url", f"http://{world.page}", *arguments]
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        expect(found.returncode == expected, f"genred health {arguments} ends with {found.returncode}: {found}")
    return "alive, not ready"


def end(world):
    """The daemon ends in time although it is scraped."""
    begun = time.monotonic()
    code = world.daemon.stop()
    seconds = time.monotonic() - begun
    expect(code == 0, f"genred ended with {code} after SIGTERM")
    expect(seconds < 2.5, f"the end took {seconds:.1f} s")
    return f"{seconds:.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="prometheus.sh")
    parser.add_argument("--bin", required=True, help="path of genred")
    parser.add_argument("--music", required=True, help="recording that is not hip-hop")
    parser.add_argument("--rules", required=True, help="alert rules")
    arguments = parser.parse_args()
    # Always cleans up.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="genred-prometheus-") as work:
        world = World(Path(work), arguments.bin, arguments.music, arguments.rules)
        try:
            world.start()
            for check in (exposition, scrape, alerts, health, end):
                print(f"ok {check.__name__}: {check(world)}", flush=True)
        except Failure as problem:
            print(f"FAILED: {problem}", flush=True)
            for process in (world.daemon, world.prometheus):
                print(f"--- last lines of the log of {process.name}:\n{process.tail(15)}", flush=True)
            return 1
        finally:
            world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
