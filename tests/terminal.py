"""A real terminal of a given width, with a command in it, and a person who types."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import shlex
import struct
import termios
import time
from types import TracebackType
from typing import Any

from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from conftest import Home
from wholeness import heed_signals

PATIENCE_SECONDS = 30
CODE = r"\b(?:[0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}\b"
"""What a recovery code looks like."""


class Terminal:
    """A command in a pseudo-terminal that is its own, so that Ctrl-C and a hang-up reach it.

    `shown` is what it has shown so far, its echo of what was typed included. `options` are for
    Popen: `stdout=PIPE`, say, leaves standard output to the test.
    """

    def __init__(self, home: Home, line: str | list[str], columns: int = 100, **options: Any):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {"TERM": "xterm-256color", **options.pop("environment", {})}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        self.process = home.spawn(
            line,
            environment=environment,
            start_new_session=True,
            preexec_fn=lambda: _at_home_in(slave),
            **{**streams, **options},
        )
        os.close(slave)
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hang_up()
        with self.process:
            self.process.kill()

    def type(self, text: str | bytes) -> None:
        os.write(self._master, text.encode() if isinstance(text, str) else text)

    def see(self, pattern: str, times: int = 1) -> str:
        """Wait until something is on the screen, that many times; return what matched last."""
        while len(found := re.findall(pattern, self.shown)) < times:
            assert self._look(), f"ended without {pattern!r}: {self.shown}"
        return str(found[-1])

    def end(self) -> int:
        """Look on until the command ends; return its exit code."""
        while self._look():
            pass
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def hang_up(self) -> None:
        """Close the terminal, as one closes its window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _look(self) -> bool:
        """Take in what is shown next; False if the command has closed the terminal."""
        began = time.monotonic()
        while not select.select([self._master], [], [], 1)[0]:
            assert time.monotonic() < began + PATIENCE_SECONDS, self.shown
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += chunk.decode(errors="replace").replace("\r\n", "\n")
        return bool(chunk)


def _at_home_in(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    heed_signals()


def shown(home: Home, line: str, columns: int, **environment: str) -> str:
    """Run a command in this process, by the home's clock, on a pseudo-terminal; return its output.

    Standard output alone is a terminal, and it must hold no more than fits into its buffer.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    found = b""
    try:
        with os.fdopen(slave, "wb") as out:
            variables = {"TERM": "xterm-256color", **home.environment, **environment}
            shell = Shell(io.BytesIO(), out, io.BytesIO(), variables, lambda: home.now)
            assert door.run(shlex.split(line), shell) == 0, line
            out.flush()
            while select.select([master], [], [], 0)[0]:
                found += os.read(master, 65536)
    finally:
        os.close(master)
    return found.decode().replace("\r\n", "\n")


def on_terminal(home: Home, line: str, columns: int, typed: bytes = b"") -> tuple[int, str]:
    """Run a command in a pseudo-terminal, type something; return exit code and what it shows."""
    with Terminal(home, line, columns) as terminal:
        terminal.type(typed)
        code = terminal.end()
    return code, terminal.shown
