"""A real browser without a screen: what a page shows, in numbers that a test can hold."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
NEEDED = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")


def look(page: Path, *options: str) -> str:
    """Open a page; return what the browser prints."""
    line = [
        str(PROGRAM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        f"--user-data-dir={page.parent / 'browser'}",
        *options,
        page.as_uri(),
    ]
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
