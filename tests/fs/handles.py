"""File handles by hand: name_to_handle_at(2), open_by_handle_at(2), as a server of NFS has
them."""

import ctypes
import os

BYTES_MAX = 128
libc = ctypes.CDLL(None, use_errno=True)


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * BYTES_MAX)]


def handle_of(path):
    handle, mount = Handle(bytes=BYTES_MAX), ctypes.c_int()
    if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount), 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return handle


def open_handle(mount, handle, flags=os.O_RDONLY):
    """A descriptor; mount: a descriptor of anything in the mount."""
    fd = libc.open_by_handle_at(mount, ctypes.byref(handle), flags)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def forget():
    """The kernel lets go of inodes and names that nobody uses."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as f:
        f.write("2\n")
