"""Ballast: room that is kept so that people can be erased on a disk that is full.

A file beside the database that an erasure throws away when there is too little left, and that the
next command with room enough puts back.
"""

from __future__ import annotations

import os

from bunkerctl import files
from bunkerctl.errors import InputOutput

NAME = "vault.ballast"
SIZE = 2 << 20
LITTLE_ROOM = 2 * SIZE
"""With less than this free, an erasure needs the ballast, and works in small steps."""


def is_little(directory: str) -> bool:
    """Tell whether the disk of a directory is nearly full."""
    return _free(directory) < LITTLE_ROOM


def release(directory: str) -> None:
    """Throw the ballast away, if the disk is nearly full."""
    try:
        if is_little(directory):
            files.remove(os.path.join(directory, NAME))
    except (OSError, InputOutput):
        return  # the erasure itself will say what is wrong


def keep(directory: str) -> None:
    """Put the ballast in its place, if it is not there whole and there is room."""
    try:
        if _size(directory) < SIZE and not is_little(directory):
            _put(directory, SIZE)
    except OSError:
        return  # there is none for now


def put_back(directory: str) -> None:
    """Put as much of the ballast back as its release and an erasure have left free."""
    try:
        if not _size(directory):
            _put(directory, min(SIZE, _free(directory)))
    except OSError:
        return


def _put(directory: str, size: int) -> None:
    owner = os.stat(directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.join(directory, NAME), flags, files.PRIVATE)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.write(descriptor, bytes(size))
    finally:
        os.close(descriptor)


def _size(directory: str) -> int:
    try:
        return os.stat(os.path.join(directory, NAME)).st_size
    except FileNotFoundError:
        return 0


def _free(directory: str) -> int:
    system = os.statvfs(directory)
    return system.f_bavail * system.f_frsize
