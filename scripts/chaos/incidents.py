"""What happens to the broker, the connection and the daemon."""

import os
import signal
import time

from servers import wait_for

FORGIVING = ("stop", "restart", "freeze", "cut")
"""After these a broker with persistence still has all that it acknowledged."""
FORGETFUL = ("crash", "crash at once", "half-open crash", "cut")
"""After a `SIGKILL` it may not."""
LONG_FREEZE = "long freeze"
"""Longer than the daemon takes to notice, at most twice its keep-alive of 15 s."""
MOMENTS = ("now", "sent", "delivered", "acknowledged")
"""When the daemon is killed: at once, or as an event or its acknowledgement passes the proxy."""
WAIT_FOR_MOMENT = 8
"""Seconds; a daemon that has just started hears three before it says anything."""


class Incidents:
    """Plays them; every call is over when the broker runs again."""

    def __init__(self, broker, proxy, daemon, random, say):
        self.broker, self.proxy, self.daemon, self.random, self.say = broker, proxy, daemon, random, say
        self.counts, self.kills = {}, 0

    def play(self, kind, kill):
        """An incident of `kind`; `kill` is `None`, "before", "during" or "after", of the daemon's death."""
        self._wait(1, 6)
        if self.random.random() < 0.7:
            self.connected()
        if kill == "before":
            self.kill_daemon()
        killing = self.kill_at_once if kill == "during" else None
        {
            "stop": lambda: self._away(self.broker.stop, self.random.uniform(0.3, 6), killing),
            "restart": lambda: self._away(self.broker.stop, 0, killing),
            "freeze": lambda: self._freeze(self.random.uniform(0.3, 6), killing),
            LONG_FREEZE: lambda: self._freeze(self.random.uniform(32, 36), killing),
            "cut": lambda: self._cut(killing),
            "crash": lambda: self._away(self.broker.kill, self.random.uniform(0.3, 6), killing),
            "crash at once": lambda: self._away(self.broker.kill, 0, killing),
            "half-open crash": lambda: self._half_open_crash(killing),
        }[kind]()
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kill == "after":
            self._wait(0, 0.5)
            self.kill_daemon()

    def connected(self):
        """Waits for the daemon's connection; after a freeze it may look for a new one two keep-alives later."""
        connected = lambda: self.daemon.check() or self.proxy.is_connected()
        wait_for("the daemon connects to the broker", connected, 60)

    def kill_at_once(self):
        self.kill_daemon("now")

    def kill_daemon(self, moment=None):
        """`SIGKILL` at a delicate moment where one comes within seconds, and a new start."""
        moment = moment or self.random.choice(MOMENTS)
        pause = self.random.choice([0, self.random.uniform(0.1, 2)])
        self.daemon.check()
        if moment != "now":
            pid = self.daemon.child.pid
            self.proxy.set_trap(moment, lambda: os.kill(pid, signal.SIGKILL))
            end = time.monotonic() + WAIT_FOR_MOMENT
            while self.daemon.running() and time.monotonic() < end:
                time.sleep(0.005)
            moment = f"{moment}, in vain" if self.proxy.take_trap() else moment
        if self.daemon.running():
            self.daemon.kill()
        else:
            self.daemon.wait(-signal.SIGKILL)
        self.kills += 1
        self.say(f"  the daemon is killed ({moment}) and started again after {pause:.1f} s")
        time.sleep(pause)
        self.daemon.start()

    def _away(self, end, pause, killing):
        self.proxy.refuse()
        end()
        # What still has a connection to the proxy has none to the broker.
        if killing:
            killing()
        time.sleep(pause)
        self.broker.start()
        self.proxy.open()

    def _freeze(self, seconds, killing):
        self.broker.freeze()
        try:
            time.sleep(seconds / 2)
            if killing:
                killing()
            time.sleep(seconds / 2)
        finally:
            self.broker.thaw()

    def _cut(self, killing):
        self._deafen()
        if killing:
            killing()
        self._wait(0.1, 3)
        self.proxy.cut()

    def _half_open_crash(self, killing):
        self._deafen()
        self._wait(0.1, 3)
        self._away(self.broker.kill, self.random.uniform(0, 3), killing)

    def _deafen(self):
        while not self.proxy.deafen():
            self.connected()

    def _wait(self, least, most):
        time.sleep(self.random.uniform(least, most))
