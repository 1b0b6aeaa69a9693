"""Failures of the broker, the connection and the daemon."""

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
    """Causes failures. Every call returns once the broker runs again."""

    def __init__(self, broker, proxy, daemon, random, say):
        self.broker, self.proxy, self.daemon, self.random, self.say = broker, proxy, daemon, random, say
        self.counts, self.kills, self.moment = {}, 0, None

    def play(self, kind, kill):
        """Causes a failure of `kind`. `kill` is the time of a daemon kill: "before", "during", "after" or `None`.

        "after" is while the stored events are published.
        """
        self._wait(1, 6)
        if self.random.random() < 0.7:
            self.connected()
        if kill == "before":
            self.kill_daemon()
        killing = {"during": self._kill_at_once, "after": self._arm}.get(kill)
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
            self._see_it_die()

    def connected(self):
        """Waits for the daemon's connection. After a freeze it may reconnect up to two keep-alive
        intervals later."""
        connected = lambda: self.daemon.check() or self.proxy.is_connected()
        wait_for("the daemon connects to the broker", connected, 60)

    def kill_daemon(self):
        """Kills and restarts the daemon."""
        self._arm()
        self._see_it_die()

    def _arm(self):
        """Arms a daemon kill at a critical moment."""
        self.daemon.check()
        self.moment, count = self.random.choice(MOMENTS), self.random.choice([1, self.random.randint(2, 20)])
        pid = self.daemon.child.pid
        if self.moment != "now":
            self.proxy.set_trap(self.moment, count, lambda: os.kill(pid, signal.SIGKILL))

    def _see_it_die(self):
        pause = self.random.choice([0, self.random.uniform(0.1, 2)])
        end = time.monotonic() + (0 if self.moment == "now" else WAIT_FOR_MOMENT)
        while self.daemon.running() and time.monotonic() < end:
            time.sleep(0.005)
        in_vain = ", in vain" if self.proxy.take_trap() else ""
        if self.daemon.running():
            self.daemon.kill()
        else:
            self.daemon.wait(-signal.SIGKILL)
        self.kills += 1
        self.say(f"  the daemon is killed ({self.moment}{in_vain}) and started again after {pause:.1f} s")
        time.sleep(pause)
        self.daemon.start()

    def _kill_at_once(self):
        self.moment = "now"
        self._see_it_die()

    def _away(self, end, pause, killing):
        self.proxy.refuse()
        end()
        # A remaining connection to the proxy has none to the broker.
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
