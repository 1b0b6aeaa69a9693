"""Checks of `tests/system/home_assistant.sh`, with a real broker and a real Home Assistant."""

import argparse
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path

import page
from processes import Daemon, Failure, elapsed, until
from world import BIRTH, DECK, EVENT_TYPES, NODE, NOTHING, PAGE, STATES, TUNER, Node, World

#: Seconds within which discovery is visible after the daemon's start, and after a birth message: four times what is promised, as
#: the machine has Home Assistant to start as well.
BAR = 20.0
#: Messages a minute and source, at most, where nothing changes.
AT_REST = 12


def expect(condition, message):
    if not condition:
        raise Failure(message)


def entities(world):
    """Entities of each source and of the node, with their attributes, devices and ids."""
    node, home = world.node, world.home
    world.services()
    first = len(home.events)
    world.daemon.start(world.configuration())
    seconds, music = visible(world, "the daemon's start", world.daemon.started)
    labels = world.listener.last(f"{node.topics}/info")["labels"]
    attributes = {
        "genre": {"device_class": "enum", "options": [*labels, *STATES]},
        "confidence": {"unit_of_measurement": "%", "state_class": "measurement"},
        "dead_air": {"device_class": "problem"},
        "music_share": {"unit_of_measurement": "%", "state_class": "measurement"},
        "speech_share": {"unit_of_measurement": "%", "state_class": "measurement"},
        "changed": {"event_types": EVENT_TYPES},
    }
    for source in node.sources:
        for key, wanted in attributes.items():
            entity = getattr(source, key)
            found = home.state(entity)[1]
            for name, value in wanted.items():
                same = sorted(found.get(name, [])) == sorted(value) if isinstance(value, list) else found.get(name) == value
                expect(same, f"{entity}: `{name}` is {found.get(name)}, not {value}")
        expect("state_class" not in home.state(source.genre)[1], f"{source.genre} has a state class")
        expect(home.state(source.loudness)[0] is None, f"{source.loudness} is not disabled by default")
    kind = home.state(node.connectivity)[1].get("device_class")
    expect(kind == "connectivity", f"{node.connectivity}: `device_class` is {kind}")
    world.only(node)

    hub = home.device(node.connectivity)
    expect(hub["page"] == f"{PAGE}/", f"the node's link is {hub['page']}")
    expect(hub["identifiers"] == [node.identifier], f"the node's device has the identifiers {hub['identifiers']}")
    for source in node.sources:
        devices = [home.device(entity) for entity in (*source.enabled, source.loudness)]
        expect(all(device == devices[0] for device in devices), f"entities of {source.name} on several devices: {devices}")
        expect(devices[0]["identifiers"] == [source.identifier], f"{source.name}: identifiers {devices[0]['identifiers']}")
        expect(devices[0]["page"] == PAGE + source.page, f"{source.name}: the link is {devices[0]['page']}")
        expect(devices[0]["via"] == hub["id"], f"{source.name}: `via_device` is not the node's device: {devices[0]}")
    # A source announced before its node belongs to a device without a name until then.
    announced = [message["topic"] for message in world.listener.messages if message["topic"].endswith("/config")]
    expect(announced[0].split("/")[2] == node.identifier, f"the node is not announced before its sources: {announced}")
    made = [change for change in home.changes("device_registry_updated", first) if change["action"] == "create"]
    expect(len(made) == 1 + len(node.sources), f"{len(made)} devices were made")
    return f"{len(node.registered)} of {len(made)} devices, visible {seconds:.2f} s after the daemon's start; music of all after {music:.1f} s"


def visible(world, what, since):
    """Seconds from `since` until all entities exist, within the limit, and until all have music."""

    def missing():
        world.alive()
        return set(world.node.enabled) - set(world.home.states())

    seconds = elapsed(lambda: f"there are {', '.join(missing())}", lambda: not missing(), since=since)
    expect(seconds <= BAR, f"discovery took {seconds:.2f} s after {what}, more than {BAR:g} s")
    world.available(world.node, music=True)
    return seconds, time.monotonic() - since


def values(world):
    """Entities have the values of the topics."""
    home = world.home
    shown = []
    for source in world.node.sources:
        # The first genre sets the first attributes.
        said = until(f"{source.topics}/attributes", lambda: world.listener.last(f"{source.topics}/attributes"))
        difference = []

        def equal():
            state = world.listener.last(f"{source.topics}/state")
            genre, attributes = home.state(source.genre)
            confidence, dead_air = home.state(source.confidence)[0], home.state(source.dead_air)[0]
            difference[:] = [state, genre, confidence, dead_air, attributes]
            said = world.listener.last(f"{source.topics}/attributes")
            return (
                state["state"] == "music"
                and genre == state["genre"]
                and confidence not in NOTHING
                and abs(float(confidence) - 100 * state["confidence"]) <= 0.1
                and dead_air == state["dead_air"].lower()
                and attributes.get("top") == said["top"]
                and attributes.get("title", "absent") == said["title"]
            )

        until(lambda: f"Home Assistant shows what the topics say: {difference}", equal)
        expect(said["top"], f"{source.topics}/attributes has no labels")
        shown.append(f"{source.name} {home.state(source.genre)[0]} {home.state(source.confidence)[0]} %")
    return ", ".join(shown)


def shares(world):
    """The shares of the last hour are those of the topic: of music, once a minute is classified."""
    home, shown = world.home, []
    for source in world.node.sources:
        topic, found = f"{source.topics}/attributes", []

        def equal():
            said = world.listener.last(topic) or {}
            states = [home.state(entity)[0] for entity in (source.music_share, source.speech_share)]
            shares = [said.get("music_share_1h"), said.get("speech_share_1h")]
            found[:] = [*states, *shares]
            known = None not in shares and not set(states) & set(NOTHING)
            return known and all(abs(float(state) - 100 * share) <= 0.1 for state, share in zip(states, shares))

        # They are published once a minute.
        until(lambda: f"Home Assistant shows the shares of {topic}: {found}", equal, 150)
        expect(float(found[0]) > 50 and float(found[1]) < 50, f"shares of {source.name}, which plays music: {found}")
        shown.append(f"{source.name} {found[0]} % music, {found[1]} % speech")
    return ", ".join(shown)


def event(world):
    """The event entity fires once per event, with its keys, in order."""
    tuner = world.node.source(TUNER)
    topic, first = f"{tuner.topics}/event", len(world.listener.messages)
    world.sound.silence()
    until("the genre is `silence`", lambda: world.home.state(tuner.genre)[0] == "silence")
    until("dead air is on", lambda: world.home.state(tuner.dead_air)[0] == "on")
    world.sound.play()
    world.available(world.node, music=True)
    until("dead air is off", lambda: world.home.state(tuner.dead_air)[0] == "off")
    kinds = lambda: [event["event_type"] for event in world.listener.of(topic, first)]
    for kind in ("genre_changed", "dead_air_started", "dead_air_ended"):
        until(f"an event `{kind}` on {topic}", lambda: kind in kinds())
    events = world.listener.of(topic, first)
    identity = lambda event: (event.get("run"), event.get("seq"))
    wanted = [identity(event) for event in events]
    fired = lambda: [firing for firing in world.firings(tuner) if identity(firing) in wanted]
    until(
        lambda: f"{tuner.changed} fires {wanted}, but {[identity(firing) for firing in fired()]}",
        lambda: [identity(firing) for firing in fired()] == wanted,
    )
    for event, firing in zip(events, fired()):
        found = {key: firing.get(key) for key in event}
        expect(found == event, f"{tuner.changed} fired {found}, the topic said {event}")
    return f"{', '.join(kinds())}, with all their keys"


def lost(world):
    """A source without audio is `lost`; the rest of the node continues."""
    tuner, home = world.node.source(TUNER), world.home
    begun = time.monotonic()
    first = len(world.firings(tuner))
    world.sound.kill()
    seconds = elapsed("the genre is `lost`", lambda: home.state(tuner.genre)[0] == "lost", since=begun)
    for entity in (tuner.confidence, tuner.dead_air):
        until(f"{entity} is unavailable", lambda: home.state(entity)[0] == "unavailable")
    fired = lambda: [firing["event_type"] for firing in world.firings(tuner)[first:]]
    until(lambda: f"{tuner.changed} fires `source_lost`, but {fired()}", lambda: "source_lost" in fired())
    until("it is the last", lambda: home.state(tuner.changed)[1].get("event_type") == "source_lost")
    world.available(Node(NODE, DECK), music=True)
    world.sound.start()
    again = world.available(world.node, music=True)
    until(lambda: f"{tuner.changed} fires `source_recovered`, but {fired()}", lambda: "source_recovered" in fired())
    return f"seen after {seconds:.2f} s, music again {again:.1f} s after the sound was back"


def kill(world):
    """After a kill of the daemon its entities are unavailable until it restarts."""
    node, home = world.node, world.home
    begun = time.monotonic()
    world.daemon.kill()
    shown = {}

    def gone():
        shown.update({entity: home.state(entity)[0] for entity in node.enabled})
        others = {state for entity, state in shown.items() if entity != node.connectivity}
        return shown[node.connectivity] == "off" and others == {"unavailable"}

    seconds = elapsed(lambda: f"everything is unavailable: {shown}", gone, since=begun)
    world.daemon.start(world.configuration())
    back = world.available(node)
    world.only(node)
    return f"unavailable after {seconds:.2f} s, back {back:.2f} s after the new start"


def remove(world):
    """A source removed from the configuration is removed from Home Assistant and the broker."""
    deck, rest = world.node.source(DECK), Node(NODE, TUNER)
    begun = time.monotonic()
    world.restart(world.configuration(TUNER))
    until(f"entities of {DECK} disappear", lambda: not set(deck.enabled) & set(world.home.states()))
    seconds = time.monotonic() - begun
    world.only(rest)
    world.available(rest)
    topics = world.broker.retained(f"{deck.topics}/#", *Node(NODE, DECK).discovery())
    left = [topic for topic in topics if deck.identifier in topic or topic.startswith(deck.topics)]
    expect(not left, f"still retained: {left}")
    world.restart(world.configuration())
    world.available(world.node)
    world.only(world.node)
    return f"gone {seconds:.2f} s after the restart was asked for, back with the same ids"


def restart(world):
    """A restart of Home Assistant loses nothing."""
    node, home = world.node, world.home
    last = {source.changed: home.state(source.changed)[0] for source in node.sources}
    home.stop()
    home.start()
    seconds = world.available(node, music=True)
    world.only(node)
    for entity, fired in last.items():
        state = home.state(entity)[0]
        # Times of this form sort as text; an event received meanwhile is newer.
        kept = fired in NOTHING or (state not in NOTHING and state >= fired)
        expect(kept, f"{entity} is {state} after the restart, was {fired}")
    return f"everything back with values {seconds:.2f} s after it ran"


def forgotten(world):
    """If broker and Home Assistant restart and the broker lost its state, everything is published
    again."""
    world.home.stop()
    world.broker.stop()
    world.broker.start()
    world.home.start()
    seconds = world.available(world.node, music=True)
    world.only(world.node)
    return f"everything back with values {seconds:.2f} s after Home Assistant ran"


def birth(world):
    """Discovery is published again on Home Assistant's birth message."""
    node = world.node
    world.born()
    # Discovery is removed first, since subscribers take an empty state for an invalid one.
    world.erase(*node.discovery())
    until("erased entities disappear", lambda: not world.home.registered())
    world.erase(f"{node.topics}/+/state")
    since = time.monotonic()
    world.broker.publish(BIRTH, "online")
    seconds, music = visible(world, "the birth message", since)
    world.only(node)
    return f"visible {seconds:.2f} s after the message; music of all after {music:.2f} s"


def legacy(world):
    """Entities survive a switch from device-based to per-entity discovery and back."""
    node, home = world.node, world.home
    kinds = []
    first = len(home.events)
    for discovery in ("legacy", "device"):
        world.restart(world.configuration(discovery=discovery))

        def topics():
            found = {topic.split("/")[1] for topic in world.broker.retained(*node.discovery())}
            kinds[:] = sorted(found)
            return found == ({"device"} if discovery == "device" else {"binary_sensor", "event", "sensor"})

        until(lambda: f"only topics of `{discovery}` discovery are retained, not of {kinds}", topics)
        world.available(node)
        world.only(node)
        device = home.device(node.source(TUNER).genre)
        expect(device["via"] == home.device(node.connectivity)["id"], f"`via_device` is lost: {device}")
    for kind, key in (("entity_registry_updated", "entity_id"), ("device_registry_updated", "device_id")):
        changed = [(change["action"], change[key]) for change in home.changes(kind, first) if change["action"] != "update"]
        expect(not changed, f"entities or devices did not survive: {changed}")
    return f"{len(node.registered)} entities survived, with their ids"


def two(world):
    """Two daemons with default configuration on one broker are two devices."""
    host = socket.gethostname()
    nodes = [Node(host, "radio"), Node(f"{host}-2", "radio")]
    mqtt = f'[mqtt]\nurl = "mqtt://127.0.0.1:{world.broker.port}"\n'
    source = f'[[source]]\nname = "radio"\nuri = "file:{world.deck}"\nrepeat = true\n'
    for node, folder in zip(nodes, ("first", "second")):
        other = Daemon(world.work / folder, world.program, world.environment)
        world.others.append(other)
        other.start(mqtt + source)

        def online():
            other.alive()
            return world.listener.last(f"{node.topics}/status") == "online"

        until(f"{node.topics}/status is online", online)
    for node in nodes:
        world.available(node)
    world.only(world.node, *nodes)
    for node in nodes:
        hub, radio = world.home.device(node.connectivity), world.home.device(node.sources[0].genre)
        expect(hub["identifiers"] == [node.identifier], f"{node.connectivity} is of {hub}")
        expect(radio["identifiers"] == [node.sources[0].identifier], f"{node.sources[0].genre} is of {radio}")
        expect(radio["via"] == hub["id"], f"{radio} is not linked to {hub}")
    for other in world.others:
        code = other.stop()
        expect(code == 0, f"{other.name} ended with {code} after SIGTERM")
    world.erase(*(topic for node in nodes for topic in node.discovery()))
    world.only(world.node)
    world.erase(*(f"{node.topics}/#" for node in nodes))
    return f"{nodes[0].name} and {nodes[1].name}"


def guide(world):
    """The guide's automations load and run, and its commands remove a former node."""
    tuner, home = world.node.source(TUNER), world.home
    for automation in ("automation.lights_for_jazz", "automation.fm_1_is_off_air"):
        expect(home.state(automation)[0] == "on", f"{automation} is {home.state(automation)[0]}")
    runs = lambda: home.state("automation.fm_1_is_off_air")[1].get("last_triggered")
    before = runs()
    world.sound.silence()
    until("dead air is on", lambda: home.state(tuner.dead_air)[0] == "on")
    until("the automation on the event entity runs", lambda: runs() not in (None, before))
    world.sound.play()
    # Retained topics under the former name.
    old = Node("shed", DECK)
    world.daemon.stop()
    world.daemon.start(world.configuration(DECK).replace(f'"{NODE}"', f'"{old.name}"'))
    world.available(old)
    world.daemon.stop()
    page.remove(old.name, world.broker.port)
    until("its entities disappear", lambda: not set(old.enabled) & set(home.states()))
    left = world.broker.retained(f"{old.topics}/#", *old.discovery())
    expect(not left, f"still retained: {left}")
    return "two automations, and nothing left of a node"


def rest(world):
    """Without changes, few messages are sent."""
    world.born()
    # On a busy machine the audio may drop out for a second, which is a change; then another minute
    # is tried.
    for _ in range(3):
        first = len(world.listener.messages)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            world.alive()
            time.sleep(0.5)
        topics = [message["topic"] for message in world.listener.messages[first:]]
        if not any(topic.endswith("/event") for topic in topics):
            break
    said = []
    for source in world.node.sources:
        leaves = [topic.rpartition("/")[2] for topic in topics if topic.startswith(source.topics + "/")]
        counts = ", ".join(f"{leaves.count(leaf)} {leaf}" for leaf in sorted(set(leaves)))
        expect(0 < len(leaves) <= AT_REST, f"{len(leaves)} messages of {source.name} within 60 s, not 1 to {AT_REST}: {counts}")
        said.append(f"{len(leaves)} messages of {source.name} within 60 s ({counts})")
    return "; ".join(said)


#: Warnings that Home Assistant gives without any fault of the daemon.
HARMLESS = [
    # Started with this option, since its root has all requirements.
    "[homeassistant.bootstrap] Skipping pip installation of required modules",
    # The broker is restarted on purpose.
    "Disconnected from MQTT server 127.0.0.1",
    "Failed to connect to MQTT server",
    # Logged for the required empty message at the end of a switch from device-based discovery.
    "[homeassistant.components.mqtt.discovery] No device components to cleanup for genred_",
]


def log(world):
    """The log of Home Assistant has no warnings caused by the daemon."""
    records = world.home.complaints()
    ours = [record for record in records if not any(harmless in record for harmless in HARMLESS)]
    expect(not ours, "\n".join([f"Home Assistant warns {len(ours)} times:", *(record[:500] for record in ours[:20])]))
    return f"{len(records)} warnings, none because of the daemon"


def alone(world):
    """The embedded broker: Home Assistant connects with MQTT 5 and has all entities."""
    world.only(world.node)
    said = world.daemon.tail(1000)
    expect("protocol=5" in said, f"the daemon is not connected with MQTT 5: {said}")
    return f"{len(world.node.registered)} entities"


CHECKS = [entities, values, shares, event, lost, kill, remove, restart, forgotten, birth, legacy, two, guide, rest]
#: Those against the embedded broker, which ends with the daemon.
EMBEDDED = [alone, values, event, restart]


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="home_assistant.sh")
    parser.add_argument("--bin", required=True, type=Path, help="path of genred")
    parser.add_argument("--root", required=True, type=Path, help="root folder of Home Assistant")
    parser.add_argument("--songs", required=True, type=Path, help="folder of recordings")
    parser.add_argument("--only", action="append", choices=[check.__name__ for check in [*CHECKS, alone]], help="run only this check; may be repeated")
    parser.add_argument("--broker", choices=["mosquitto", "embedded"], default="mosquitto", help="broker to test with")
    arguments = parser.parse_args()
    # Always cleans up.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="genred-ha-") as work:
        environment = {name: os.environ[name] for name in ("GENRED_MODELS",) if name in os.environ}
        embedded = arguments.broker == "embedded"
        world = World(Path(work), arguments.root, arguments.bin, arguments.songs, environment, embedded)
        checks = EMBEDDED if embedded else CHECKS
        try:
            return run(world, [check for check in checks if not arguments.only or check.__name__ in arguments.only])
        finally:
            world.close()


def run(world, checks):
    begun, failed, unready = time.monotonic(), [], 0
    for check in [*checks, log]:
        if unready > 1 and check is not log:
            failed.append(check.__name__)
            print(f"FAILED {check.__name__}: skipped, since its initial state was not reached", flush=True)
            continue
        logged = {process: process.logged() for process in (world.daemon, world.home)}
        try:
            if check not in (entities, log):
                unready += 1
                world.ready()
                unready = 0
            print(f"ok {check.__name__}: {check(world)}", flush=True)
        except Exception as problem:  # The other checks run in spite of any error.
            failed.append(check.__name__)
            print(f"FAILED {check.__name__}: {problem}", flush=True)
            if not isinstance(problem, Failure):
                traceback.print_exc()
            if check is log:
                break
            for process in (world.daemon, *world.others, world.home):
                print(f"--- last lines of the log of {process.name}:\n{process.tail(25, logged.get(process, 0))}", flush=True)
            world.reset()
    seconds = time.monotonic() - begun
    print(f"{'FAILED: ' + ', '.join(failed) if failed else 'ok'} ({seconds:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
