"""inotify(7) by hand, as the libraries that watch directories use it."""

import ctypes
import os
import select
import struct
import time

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
CREATE, DELETE, DELETE_SELF, ISDIR = 0x100, 0x200, 0x400, 0x40000000
NAMES = {MODIFY: "MODIFY", ATTRIB: "ATTRIB", CLOSE_WRITE: "CLOSE_WRITE", CREATE: "CREATE",
         DELETE: "DELETE", DELETE_SELF: "DELETE_SELF"}
ALL = sum(NAMES)
HEAD = struct.Struct("iIII")
libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    def __init__(self):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.paths = {}
        self.seen = []  # (path, name of the event), the path of the file itself

    def watch(self, *paths, mask=ALL):
        for path in paths:
            wd = libc.inotify_add_watch(self.fd, path.encode(), mask)
            assert wd >= 0, f"{path}: {os.strerror(ctypes.get_errno())}"
            self.paths[wd] = path
        return self

    def read(self, seconds=0.0):
        """The events that are there, or that come within the time: (watch, name, event)."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return []
        data, found = os.read(self.fd, 1 << 16), []
        while data:
            wd, mask, _, n = HEAD.unpack_from(data)
            name = data[HEAD.size:HEAD.size + n].rstrip(b"\0").decode()
            data = data[HEAD.size + n:]
            found += [(self.paths.get(wd), name, NAMES[bit]) for bit in NAMES if mask & bit]
        self.seen += found
        return found

    def wait(self, path, *events, seconds=30):
        """Until the file had these events, in this order, at one watch."""
        deadline = time.monotonic() + seconds
        while not self.had(path, *events):
            if time.monotonic() > deadline:
                raise AssertionError(f"{path}: no {events}; seen: {self.of(path)}")
            self.read(0.2)

    def had(self, path, *events):
        rest = list(events)
        for event in self.of(path):
            if rest and event == rest[0]:
                rest.pop(0)
        return not rest

    def of(self, path):
        """The events of the file: by its directory where that is watched, else by itself."""
        directory, name = os.path.split(path)
        if directory in self.paths.values():
            return [e for where, n, e in self.seen if where == directory and n == name]
        return [e for where, n, e in self.seen if where == path and n == ""]

    def clear(self):
        while self.read(0.2):
            pass
        self.seen.clear()

    def close(self):
        os.close(self.fd)
