"""Ballast: room that is kept so that people can be erased on a disk that is full.

A file beside the database that an erasure throws away when there is too little left, and that the
next command with room enough puts back.
"""

from __future__ import annotations

import os

from bunkerctl import files
from bunkerctl.errors import InputOutput

NAME = "vault.ballast"
UNIT = 1 << 20
ERASURE_BYTES = 1024
"""What an erasure leaves, measured: at most 650 bytes in the database, 265 in the ledger."""


def size(living: int, largest: int) -> int:
    """Return how large the ballast is to be.

    To overwrite the `largest` record takes as many bytes in the journal, and one in forty for its
    frames. What remains of the erased grows: there is room for every tenth of the `living`, whom a
    sweep may erase. From one unit to two are for the pages that an erasure changes besides.
    """
    return (2 + (largest * 41 // 40 + living // 10 * ERASURE_BYTES) // UNIT) * UNIT


def room(directory: str) -> int:
    """Return how many bytes are free on the disk of a directory."""
    system = os.statvfs(directory)
    return system.f_bavail * system.f_frsize


def release(directory: str) -> None:
    """Throw the ballast away, if the disk has less room than twice its size."""
    try:
        if room(directory) < 2 * max(_size(directory), size(0, 0)):
            files.remove(os.path.join(directory, NAME))
    except (OSError, InputOutput):
        return  # the erasure itself will say what is wrong


def keep(directory: str, wanted: int) -> None:
    """Put ballast of a size in its place, or the least, if there is room for twice as much."""
    try:
        there, free = _size(directory), room(directory)
        for one in (wanted, size(0, 0)):
            if there >= one:
                return
            if free >= 2 * one:
                return _put(directory, one)
    except OSError:
        return  # there is none for now


def put_back(directory: str, wanted: int) -> None:
    """Put as much of the ballast back as its release and an erasure have left free."""
    try:
        if not _size(directory):
            _put(directory, min(wanted, room(directory)))
    except OSError:
        return


def _put(directory: str, wanted: int) -> None:
    owner = os.stat(directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.join(directory, NAME), flags, files.PRIVATE)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, wanted)
        else:
            while wanted > 0:
                wanted -= os.write(descriptor, bytes(min(wanted, UNIT)))
    finally:
        os.close(descriptor)


def _size(directory: str) -> int:
    try:
        return os.stat(os.path.join(directory, NAME)).st_size
    except FileNotFoundError:
        return 0
