"""A real terminal of a given width, with a command in it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

from conftest import Home


def on_terminal(home: Home, line: str, columns: int, typed: bytes = b"") -> tuple[int, str]:
    """Run a command in a pseudo-terminal, type something; return exit code and what it shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with home.spawn(
        line, stdin=slave, stdout=slave, stderr=slave, environment={"TERM": "xterm-256color"}
    ) as process:
        os.close(slave)
        os.write(master, typed)
        shown = b""
        while chunk := _read(master):
            shown += chunk
        code = process.wait(timeout=60)
    os.close(master)
    return code, shown.decode().replace("\r\n", "\n")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # the other side is closed
        return b""
