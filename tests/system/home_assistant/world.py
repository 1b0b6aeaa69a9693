"""Shared state of the checks: programs, configuration of the daemon, and expected entities."""

import re
import subprocess
import time

from home_assistant import HomeAssistant
from processes import (
    PATIENCE,
    Daemon,
    Embedded,
    Failure,
    Listener,
    Mosquitto,
    Sound,
    elapsed,
    free_port,
    until,
)

NODE = "den"
#: Where users reach the page of the node.
PAGE = "https://radio.example/genred"
#: Where Home Assistant says that it has started.
BIRTH = "homeassistant/status"
#: The live source, heard through PulseAudio.
TUNER = "tuner"
#: A recording that begins again where it ends; its name is not yet one for topics.
DECK = "Tape Deck"

STATES = ["speech", "silence", "noise", "uncertain", "lost"]
EVENT_TYPES = """genre_changed dead_air_started dead_air_ended source_lost source_recovered off_format_started
    off_format_ended talk_limit_started talk_limit_ended imbalance_started imbalance_ended stream_slow_started
    stream_slow_ended events_dropped""".split()
#: States of an entity that has no value.
NOTHING = (None, "unavailable", "unknown")


def topic_name(name):
    """Converts a configured name to a topic name."""
    return re.sub("[^A-Za-z0-9_-]", "_", name)


def entity_name(name):
    """Converts a configured name to an entity id."""
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")


class Source:
    """A source of a node: topics and entity ids."""

    def __init__(self, node, name):
        self.name = name
        self.topics = f"genred/{topic_name(node)}/{topic_name(name)}"
        self.identifier = f"genred_{topic_name(node)}__{topic_name(name)}"
        prefix = f"{entity_name(node)}_{entity_name(name)}"
        self.genre = f"sensor.{prefix}_genre"
        self.confidence = f"sensor.{prefix}_confidence"
        self.loudness = f"sensor.{prefix}_loudness"
        self.dead_air = f"binary_sensor.{prefix}_dead_air"
        self.music_share = f"sensor.{prefix}_music_share"
        self.speech_share = f"sensor.{prefix}_speech_share"
        self.changed = f"event.{prefix}_changed"
        #: Path of its page.
        self.page = f"/s/{topic_name(name)}"
        #: Those that are there unless somebody disables them.
        self.enabled = [self.genre, self.confidence, self.dead_air, self.music_share, self.speech_share, self.changed]


class Node:
    """A node: name, topics and entity ids."""

    def __init__(self, name, *sources):
        self.name = name
        self.topics = f"genred/{topic_name(name)}"
        self.identifier = f"genred_{topic_name(name)}"
        self.connectivity = f"binary_sensor.genred_{entity_name(name)}_connectivity"
        self.sources = [Source(name, source) for source in sources]
        self.enabled = [self.connectivity, *(entity for source in self.sources for entity in source.enabled)]
        self.registered = sorted(self.enabled + [source.loudness for source in self.sources])

    def source(self, name):
        return next(source for source in self.sources if source.name == name)

    def discovery(self):
        """Topic filters of both kinds of discovery."""
        owners = [self.identifier, *(source.identifier for source in self.sources)]
        return [f"homeassistant/+/{owner}/{rest}" for owner in owners for rest in ("config", "+/config")]


class World:
    """All programs. `ready` restores the initial state after a check."""

    def __init__(self, work, root, program, songs, environment, embedded=False):
        self.work, self.program = work, program
        self.embedded = embedded
        self.broker = Embedded(work) if embedded else Mosquitto(work)
        if not embedded:
            self.broker.start()
        self.listener = Listener(work)
        self.home = HomeAssistant(root, work, self.broker.port)
        # Twenty-seven minutes, longer than the test.
        self.sound = Sound(work, self._song(songs / "metal.ogg", "tuner.ogg", 12))
        self.deck = self._song(songs / "classical.ogg", "deck.ogg", 1)
        self.environment = environment | self.sound.environment
        self.daemon = Daemon(work / NODE, program, self.environment)
        self.page_port = free_port()
        self.others = []
        self.node = Node(NODE, TUNER, DECK)

    def _song(self, song, name, times):
        """The song from one minute on (the metal one begins with noise), `times` times."""
        # Cut first, since `-ss` cannot be combined with `-stream_loop`.
        cut, path = self.work / f"cut-{name}", self.work / name
        quiet = ["ffmpeg", "-nostdin", "-v", "error"]
        subprocess.run([*quiet, "-ss", "60", "-i", song, "-map", "0:a:0", "-c", "copy", cut], check=True)
        subprocess.run([*quiet, "-stream_loop", str(times - 1), "-i", cut, "-c", "copy", path], check=True)
        return path

    def configuration(self, *names, discovery="device"):
        """Configuration of the daemon `den` with the sources `names`, by default all."""
        uris = {TUNER: "device:pulseaudio:ci.monitor", DECK: f"file:{self.deck}"}
        where = f"embedded_port = {self.broker.port}" if self.embedded else f'url = "mqtt://127.0.0.1:{self.broker.port}"'
        lines = [f'node = "{NODE}"', "[web]", f'bind = "127.0.0.1:{self.page_port}"', f'public_url = "{PAGE}"', "[mqtt]", where]
        if discovery != "device":
            lines.append(f'discovery = "{discovery}"')
        for name in names or uris:
            lines += ["[[source]]", f'name = "{name}"', f'uri = "{uris[name]}"']
            lines.append("lost_after_s = 1.0" if name == TUNER else "repeat = true")
        return "\n".join(lines) + "\n"

    def services(self):
        """Starts everything but the daemon; also the daemon if it is the broker."""
        if self.embedded and not self.daemon.running():
            self.sound.ready()
            self.daemon.start(self.configuration())
        if not self.broker.running():
            self.broker.start()
        if not self.listener.running():
            self.listener.start(self.broker.port)
        if not self.home.running():
            self.home.start()
        self.sound.ready()

    def ready(self):
        """Starts the daemon with its default configuration and waits until Home Assistant shows
        music of both sources."""
        self.services()
        usual = self.configuration()
        if self.daemon.running() and self.daemon.configuration.read_text() != usual:
            self.daemon.stop()
        if not self.daemon.running():
            self.daemon.start(usual)
        self.available(self.node, music=True)

    def restart(self, configuration):
        """Restarts the daemon cleanly."""
        if code := self.daemon.stop():
            raise Failure(f"the daemon ended with {code} after SIGTERM")
        self.daemon.start(configuration)

    def available(self, node, music=False, patience=PATIENCE):
        """Waits until every entity of a node has a value, with `music` a genre. Returns the elapsed
        seconds."""
        problems = []

        def look():
            self.alive()
            problems[:] = self._missing(node, music)
            return not problems

        return elapsed(lambda: "; ".join(problems), look, patience)

    def alive(self):
        for process in (self.broker, self.listener, self.home):
            process.alive()
        if self.daemon.child:
            self.daemon.alive()

    def born(self):
        """Waits for the reply to Home Assistant's birth message, sent once discovery is idle."""

        def ago():
            births = [m["at"] for m in self.listener.messages if m["topic"] == BIRTH and m["payload"] == "online"]
            return time.monotonic() - births[-1] if births and births[-1] > self.home.started else 0

        until("Home Assistant sends its birth message", ago, 60)
        until("the answer to it is over", lambda: ago() > 4)

    def _missing(self, node, music):
        states = {entity: state["state"] for entity, state in self.home.states().items()}
        problems = [f"{entity} is missing" for entity in node.enabled if entity not in states]
        if problems:
            return problems
        if states[node.connectivity] != "on":
            problems.append(f"{node.connectivity} is {states[node.connectivity]}")
        for source in node.sources:
            genre, confidence = states[source.genre], states[source.confidence]
            wanted = NOTHING + (tuple(STATES) if music else ())
            if genre in wanted:
                problems.append(f"{source.genre} is {genre}")
            # Only music has a confidence; for other states it is unknown.
            if confidence == "unavailable" or (music and confidence in NOTHING):
                problems.append(f"{source.confidence} is {confidence}")
            if states[source.dead_air] not in ("on", "off"):
                problems.append(f"{source.dead_air} is {states[source.dead_air]}")
            if states[source.changed] == "unavailable":
                problems.append(f"{source.changed} is unavailable")
        return problems

    def only(self, *nodes):
        """Fails unless Home Assistant has exactly the entities of these nodes (no `…_2`)."""
        wanted = sorted(entity for node in nodes for entity in node.registered)
        found = []

        def look():
            found[:] = self.home.registered()
            return found == wanted

        until(lambda: f"the registered entities are {wanted}, but {found}", look)

    def erase(self, *filters):
        """Deletes retained messages, as a user would."""
        for topic in self.broker.retained(*filters):
            self.broker.publish(topic, "", retain=True)

    def firings(self, source):
        """Attributes of the event entity's firings, in order."""
        fired, last = [], None
        for change in self.home.changes("state_changed"):
            state = change["new_state"]
            # When it becomes available again, the entity repeats the last firing with its time.
            if change["entity_id"] == source.changed and state and state["state"] not in (*NOTHING, last):
                last = state["state"]
                fired.append(state["attributes"])
        return fired

    def reset(self):
        """Stops the daemon and deletes retained messages, after a failure."""
        for process in (self.daemon, *self.others):
            process.kill()
        self.daemon.child = None
        self.sound.kill()
        if self.broker.running():
            self.erase("homeassistant/#")
            self.erase("genred/#")

    def close(self):
        for process in (self.daemon, *self.others, self.listener, self.home, self.broker):
            process.kill()
        self.sound.kill()
        self.home.close()

