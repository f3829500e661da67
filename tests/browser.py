"""A real browser without a screen: what a page shows, in numbers that a test can hold."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
NEEDED = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")


def command(place: Path, *options: str) -> list[str]:
    """Return the command line of a browser that keeps its things in a place."""
    return [
        str(PROGRAM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        f"--user-data-dir={place / 'browser'}",
        *options,
    ]


def look(page: Path, *options: str) -> str:
    """Open a page; return what the browser prints."""
    line = command(page.parent, *options, page.as_uri())
    environment = {**os.environ, "HOME": str(page.parent)}
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def picture(page: Path, width: int, height: int, scheme: str) -> list[list[bytes]]:
    """Return the pixels of the top of a page, row by row, 3 bytes each.

    A window is never narrower than 500 pixels; a frame in one is.
    """
    frame = page.parent / "frame.html"
    frame.write_text(
        f'<body style="margin:0"><iframe src="{page.name}"'
        f' style="border:0;width:{width}px;height:{height}px"></iframe>'
    )
    shot = page.parent / "shot.png"
    size = f"--window-size={max(width, 500)},{height}"
    look(frame, size, scheme, f"--screenshot={shot}")
    return [row[:width] for row in _pixels(shot.read_bytes())]


def printed(page: Path) -> str:
    """Return the text of a page as it is printed."""
    paper = page.parent / "page.pdf"
    look(page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    line = ["pdftotext", "-layout", str(paper), "-"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


class Tab:
    """A tab that is driven over a pipe, by the Chrome DevTools Protocol."""

    def __init__(self, place: Path) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # The browser reads descriptor 3 and writes 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command(place, "--remote-debugging-pipe")],
            env={**os.environ, "HOME": str(place)},
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._said, self._session = 0, None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.close()  # at which the browser ends
        self._process.wait(60)
        self._in.close()

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """Return the value of JavaScript in the page, which its policy does not bar."""
        return self._ask("Runtime.evaluate", expression=expression)["result"].get("value")

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._said += 1
        asked: dict[str, object] = {"id": self._said, "method": method, "params": parameters}
        if self._session is not None:
            asked["sessionId"] = self._session
        self._out.write(json.dumps(asked).encode() + b"\0")
        self._out.flush()
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == self._said:
                assert "result" in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> bytes:
        """Return the next message: they end with a zero byte."""
        message = b""
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return message


class Server:
    """A server of this machine that notes what is fetched from it."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        fetched = self.fetched

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pixels(png: bytes) -> list[list[bytes]]:
    """Return the pixels of an 8-bit RGB or RGBA image (PNG, section 9: filtering)."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    step = {2: 3, 6: 4}[kind]
    packed, place = b"", 8
    while place < len(png):
        size, name = struct.unpack(">I4s", png[place : place + 8])
        packed += png[place + 8 : place + 8 + size] if name == b"IDAT" else b""
        place += size + 12
    raw = zlib.decompress(packed)
    stride = width * step
    above, rows = bytearray(stride), []
    for number in range(height):
        start = number * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        _unfilter(raw[start], line, above, step)
        rows.append([bytes(line[at : at + 3]) for at in range(0, stride, step)])
        above = line
    return rows


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        up, corner = above[at], above[at - step] if at >= step else 0
        nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
        guess = (0, left, up, (left + up) // 2, nearest)[kind]
        line[at] = (line[at] + guess) & 0xFF
