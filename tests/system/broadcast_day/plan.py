"""Schedule of the day: blocks of music, talk, jingles, quiet passages and faults."""

import random
from dataclasses import dataclass, field

from sound import RATE, Layer, Sound

CLASSICAL, MIXED, METAL, ELECTRONIC = "classical", "mixed", "metal", "electronic"
SCHEDULE = (
    *(CLASSICAL,) * 5, MIXED, MIXED, MIXED, MIXED, ELECTRONIC, METAL, MIXED, CLASSICAL,
    MIXED, CLASSICAL, MIXED, ELECTRONIC, MIXED, MIXED, ELECTRONIC, MIXED, CLASSICAL, CLASSICAL, MIXED,
)  # fmt: skip
"""Music of each hour."""
FORMAT = ("classical",)
OFF_FORMAT_AFTER = 600.0
# Seconds of expected music that end an off-format state.
BELONGS_FOR = 15.0
TALK_LIMIT = 0.3
TALKATIVE = (7, 17)
"""Hours with more talk than the limit."""
LONGEST = 300.0
"""Seconds of a track that are played at most."""
SHORTEST = 40.0
NOISE_DB = -75.0
QUIET_DB = -43.0
"""Mean level of a passage that is played quietly, in dB below full scale."""
BED_DB = -16.0
"""A bed of music under talk."""
SILENCE_WITHIN, TONE_WITHIN, LOOP_WITHIN, CHANNEL_WITHIN = 12.0, 15.0, 27.0, 37.0
"""Seconds within which each is said: by default it has to last 2, 10, 20 and 30 s, and loudness is
that of three seconds."""
FAULTS = ("tone", "loop", "channel")


@dataclass
class Stretch:
    """A part of the day with one true label. Times in seconds from the start of the day."""

    start: float
    end: float
    kind: str
    """`music`, `speech`, `silence`, `jingle`, `stuck` (a tone, a loop) or `outage`."""
    label: str | None
    """By the tag; `None` where nobody can say."""
    track: str = ""
    offset: float = 0.0
    """Where in the track it begins."""
    whole: bool = False
    """A track from its beginning, without a planted hole, at its own level."""
    alarm: str = ""
    """What has to be said of it: `dead_air` or `imbalance`."""
    within: float = 0.0
    """Seconds after which that is late."""
    note: str = ""


@dataclass
class Day:
    """Audio and start of each run, and the truth."""

    tracks: list
    talks: list
    hours: float
    seed: int
    faults: bool = False
    runs: list = field(default_factory=list)
    stretches: list = field(default_factory=list)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.frames = 0
        self.decks = {}
        self.talk_at = [0.0] * len(self.talks)
        self.tail = None
        self._begin_run()
        self._fill()
        self._close()

    @property
    def now(self):
        return self.frames / RATE

    @property
    def seconds(self):
        return self.stretches[-1].end

    def _begin_run(self):
        self.runs.append((self.now, []))
        self.tail = None

    def _add(self, seconds, layers=()):
        frames = round(seconds * RATE)
        if frames > 0:
            self.runs[-1][1].append(Sound(frames, list(layers)))
            self.frames += frames

    def _begin(self, kind, label, back=0.0, **more):
        """Begins a stretch with another label now, or `back` seconds ago."""
        self._close(back)
        self.stretches.append(Stretch(self.now - back, 0.0, kind, label, **more))

    def _close(self, back=0.0):
        if self.stretches:
            self.stretches[-1].end = self.now - back

    # Content of an hour

    def _fill(self):
        count = max(round(self.hours), 1)
        outage = 600.0 if count >= 6 else 120.0
        # Within the day, so not in the last hour.
        cut = min(count * 3 // 5, count - 2) if count > 2 else 0 if count == 2 else None
        self.silences = self._lengths(2 * count)
        for number in range(count):
            hour = number * 24 // count
            end = (number + 1) * self.hours * 3600.0 / count
            self._hour(number, SCHEDULE[hour], hour in TALKATIVE, end - (outage if number == cut else 0.0))
            if number == cut:
                self._begin("outage", None)
                self.frames += round(outage * RATE)
                self._begin_run()

    def _lengths(self, count):
        """Durations of planned dead air, six seconds to two minutes, log-uniform. Shorter ones are
        not detected by default."""
        lengths = [6.0 * 20.0 ** (number / max(count - 1, 1)) for number in range(count)]
        self.random.shuffle(lengths)
        return lengths

    def _hour(self, number, music, talkative, end):
        chance = self.random
        left = lambda: end - self.now
        begin = self.now
        self._jingle()
        self._talk(1000.0 if talkative else chance.uniform(120, 210))
        planted, quiet = 0, music in (CLASSICAL, MIXED)
        while left() > SHORTEST + 10:
            genre = music if music != MIXED else self._another()
            gone = (self.now - begin) / max(end - begin, 1.0)
            if planted < 2 and gone > (0.3, 0.65)[planted]:
                length = min(self.silences.pop(), left() - SHORTEST)
                planted += 1
                if planted == 1:
                    self._music(genre, left(), silence=length)
                else:
                    self._silence(length)
                    self._music(genre, left())
            elif quiet and genre == CLASSICAL and gone > 0.45:
                quiet = False
                self._music(genre, left(), quiet=True)
            elif self.faults and planted == 2 and number % 2:
                planted += 1
                self._fault(FAULTS[number // 2 % len(FAULTS)], genre)
            else:
                self._music(genre, left())
            if left() > SHORTEST + 130:
                self._link(talkative)
        # Rest of the hour.
        if left() >= 12:
            self._talk(left())
        elif left() > 0:
            self._jingle(left())

    def _last(self):
        return next((stretch.label for stretch in reversed(self.stretches) if stretch.kind == "music"), None)

    def _another(self):
        """Returns a genre other than the last one, weighted by the available material."""
        material = dict.fromkeys((CLASSICAL, METAL, ELECTRONIC), 0.0)
        for track in self.tracks:
            first, last = track.loud()
            material[track.genre if track.genre in material else ELECTRONIC] += min(last - first, LONGEST)
        material.pop(self._last(), None)
        return self.random.choices(list(material), list(material.values()))[0]

    def _link(self, talkative):
        """Inserts a link between two tracks."""
        kind = self.random.choices(("pause", "crossfade", "over", "talk", "jingle", "cut"), (40, 25, 12, 8 if not talkative else 30, 8, 7))[0]
        if kind == "pause":
            self._add(self.random.uniform(0.5, 2.0))
            self.tail = None
        elif kind == "over":
            self._over(self.random.uniform(20, 60))
        elif kind == "talk":
            self._talk(self.random.uniform(15, 60) if not talkative else 90.0)
        elif kind == "jingle":
            self._jingle()
        elif kind == "cut":
            self.tail = None

    def _pick(self, genre):
        """Picks a track of a genre; every track is used once before one is repeated."""
        deck = self.decks.setdefault(genre, [])
        if not deck:
            # Ambient tracks are scheduled as electronic ones.
            fits = lambda track: track.genre == genre or genre == ELECTRONIC and track.genre not in (CLASSICAL, METAL)
            deck += [track for track in self.tracks if fits(track)]
            self.random.shuffle(deck)
        return deck.pop()

    def _music(self, genre, room, quiet=False, silence=0.0):
        """Adds a track, in full if possible, after a `crossfade` with the previous one."""
        for _ in range(20):
            track = self._pick(genre)
            first, last = track.loud()
            gain = QUIET_DB - track.mean_db if quiet else 0.0
            if quiet:
                first, last = track.loud(gain)
            if last - first >= SHORTEST:
                break
        seconds = min(last - first, LONGEST, room)
        tail, self.tail = self.tail, None
        fade = 0.0
        if tail and not quiet and seconds > SHORTEST:
            fade = self.random.uniform(2.0, 5.0)
            before, at, spare = tail
            fade = min(fade, spare)
            out = Layer(before.path, at, fade_out=fade)
            self._add(fade, [out, Layer(track.path, first, fade_in=fade)])
        self._begin(
            "music", track.genre, back=fade / 2, track=track.name, offset=first + fade / 2,
            whole=not quiet and not silence, note="quiet" if quiet else "",
        )  # fmt: skip
        at, rest = first + fade, seconds - fade
        if silence:
            half = rest * self.random.uniform(0.3, 0.7)
            self._add(half, [Layer(track.path, at, gain)])
            self._silence(silence)
            at, rest = at + half, min(rest - half, max(room - fade - half - silence, 1.0))
            self._begin("music", track.genre, track=track.name, offset=at, note="after dead air")
        # Five seconds are reserved for a crossfade with the next piece.
        spare = min(last - at - rest, 5.0)
        if spare < 2.0 and rest > SHORTEST + 5.0:
            rest, spare = rest - 5.0, 5.0
        self._add(rest, [Layer(track.path, at, gain)])
        if spare >= 2.0 and not quiet and not silence:
            self.tail = (track, at + rest, spare)

    def _silence(self, seconds):
        """Adds dead air: digital silence or inaudible noise."""
        self.tail = None
        noisy = self.random.random() < 0.5
        self._begin("silence", "silence", alarm="dead_air", within=SILENCE_WITHIN, note=f"noise at {NOISE_DB:.0f} dBFS" if noisy else "digital zero")
        # The RMS of white noise is its amplitude / √3.
        amplitude = 3**0.5 * 10 ** (NOISE_DB / 20)
        made = f"anoisesrc=color=white:amplitude={amplitude:.7f}:sample_rate={RATE}:seed={self.random.randrange(1 << 30)}"
        self._add(seconds, [Layer(None, 0.0, made=made)] if noisy else [])

    def _speech(self, seconds):
        """Returns a layer of talk that was not used recently, and its origin."""
        voice = self.random.randrange(len(self.talks))
        talk = self.talks[voice]
        if self.talk_at[voice] + seconds > talk.seconds - 1.0:
            self.talk_at[voice] = self.random.uniform(0.0, 2.0)
        at = self.talk_at[voice]
        self.talk_at[voice] = at + seconds
        return Layer(talk.path, at), talk.name

    def _talk(self, seconds):
        self.tail = None
        self._begin("speech", "speech")
        while seconds > 0:
            turn = min(seconds, self.random.uniform(40, 120))
            turn = seconds if seconds - turn < 10 else turn
            voice, _ = self._speech(turn)
            self._add(turn, [voice])
            seconds -= turn

    def _over(self, seconds):
        """Adds talk over background music."""
        self.tail = None
        track = self._pick(ELECTRONIC)
        first, last = track.loud()
        seconds = min(seconds, last - first)
        voice, _ = self._speech(seconds)
        self._begin("speech", "speech", note="over music")
        self._add(seconds, [voice, Layer(track.path, first, BED_DB - max(track.mean_db + 18.0, 0.0), 1.0, 1.0)])

    def _jingle(self, seconds=0.0):
        self.tail = None
        track = self._pick(ELECTRONIC)
        first, last = track.loud()
        self._begin("jingle", None)
        seconds = seconds or self.random.uniform(3, 6)
        voice, _ = self._speech(seconds)
        self._add(seconds, [Layer(track.path, first + (last - first) / 3, -6.0, 0.3, 1.0), voice])

    def _fault(self, kind, genre):
        """Adds a tone or a loop of two seconds, which are loud dead air, or music on one channel
        only."""
        self.tail = None
        seconds = self.random.uniform(50, 90)
        track = self._pick(genre)
        first, last = track.loud()
        if kind == "tone":
            self._begin("stuck", "noise", alarm="dead_air", within=TONE_WITHIN, note=kind)
            layer = Layer(None, 0.0, made=f"sine=frequency=1000:sample_rate={RATE}")
        elif kind == "loop":
            self._begin("stuck", "noise", alarm="dead_air", within=LOOP_WITHIN, note=kind)
            again = f"atrim=end_sample={2 * RATE},aloop=loop=-1:size={2 * RATE}"
            layer = Layer(track.path, first + (last - first) / 3, filters=again)
        else:
            seconds = min(seconds, last - first)
            self._begin("music", track.genre, track=track.name, offset=first, alarm="imbalance", within=CHANNEL_WITHIN, note="left channel alone")
            layer = Layer(track.path, first, filters="pan=stereo|c0=c0|c1=0.01*c1")
        self._add(seconds, [layer])
