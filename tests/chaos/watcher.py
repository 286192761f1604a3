"""Reads the states of jobs all the time, as users do: what was final must stay as it is, and
what was accepted must stay there."""

import threading
import time

from bed import FINAL


class Watcher:
    """A thread of its own between start() and stop()."""

    def __init__(self, user):
        self.user = user
        self.ended = {}  # name: when its final state was seen
        self.states = {}
        self.surprises = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def start(self):
        self.thread.start()

    def stop(self):
        self.is_over.set()
        self.thread.join()

    def unfinished(self):
        return [n for n in list(self.user.accepted) if n not in self.ended]

    def _run(self):
        while not self.is_over.wait(0.1):
            for name in list(self.user.accepted):
                self._look(name)

    def _look(self, name):
        before = self.states.get(name)
        if before in FINAL and time.time() - self.ended[name] > 5:
            return  # the checker looks once more, at the end
        try:
            state = self.user.daemon.status(name)
        except FileNotFoundError:
            # the bare directory below is seen while nothing is mounted
            if self._is_mounted() and self._is_missing(name):
                self.surprises.append(f"{name}: accepted, but its directory is not there")
            return
        except OSError:
            return
        if before in FINAL and state != before:
            self.surprises.append(f"{name}: was {before}, then {state}")
        self.states[name] = state
        if state in FINAL:
            self.ended.setdefault(name, time.time())

    def _is_mounted(self):
        try:
            return (self.user.daemon.mount / ".jobfs").is_dir()
        except OSError:
            return False

    def _is_missing(self, name):
        try:
            return not self.user.daemon.job(name).exists() and self._is_mounted()
        except OSError:
            return False
