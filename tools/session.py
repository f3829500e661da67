"""The picture in the README: a session at a terminal, run for real, as an SVG.

The commands run in this process, on a pseudo-terminal, by a clock of their own. UUIDs, hashes and
ids of keys are random: in the picture, each is always the same.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import tempfile
import termios
from pathlib import Path
from xml.sax.saxutils import escape

from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell

PATH = "docs/session.svg"
COLUMNS = 100
START = 1_797_321_600  # 2026-12-15T08:00:00Z
DAY = 86400
RECORD = '{"email":"ann@example.com","name":"Ann Lee","age":41}'
SESSION = (
    "bunkerctl init --key-file people.key --recovery-file people.code",
    f"echo '{RECORD}' | bunkerctl user add",
    "bunkerctl user get ann@example.com",
    "bunkerctl exp start ann@example.com --in 30d",
    "bunkerctl exp list",
    "# She is sent two links, to keep her data or erase it, and uses neither. Cron, 31 days later:",
    "bunkerctl exp sweep",
    "bunkerctl audit list --limit 3",
    "bunkerctl audit verify --deep",
)
"""Lines as they are typed; a comment moves the clock by 31 days."""

NAMES = (
    (
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
        (
            "5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10",
            "9f1b3c9a-7a40-4c55-8f2e-1d7f5a9f0b77",
            "4f2c1c9e-6f0e-4b8e-9d57-0f7c1a0f2b11",
        ),
    ),
    (r"\b[0-9a-f]{64}\b", ["c2f1d09a7be4836f" * 4]),
    (r"\b[0-9a-f]{16}\b", ["7ad1c04f9be2356d"]),
)
"""What is random, and what stands for it, in the order in which it appears."""

SIZE, LINE, LETTER, MARGIN, BAR = 14, 20, 8.43, 20, 38
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<!-- Made by tools/session.py from a session that it runs; do not edit. -->
<title>A session with bunkerctl</title>
<style>
  text {{ font: {size}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    white-space: pre; fill: #24292f; }}
  .frame {{ fill: #f6f8fa; stroke: #d0d7de; }}
  .dim {{ fill: #6e7781; }} .bold {{ font-weight: bold; }} .typed {{ font-weight: bold; }}
  .red {{ fill: #cf222e; }} .green {{ fill: #1a7f37; }} .magenta {{ fill: #8250df; }}
  .cyan {{ fill: #0a7481; }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #d1d7e0; }} .frame {{ fill: #151b23; stroke: #3d444d; }}
    .dim {{ fill: #8b949e; }} .red {{ fill: #ff7b72; }} .green {{ fill: #56d364; }}
    .magenta {{ fill: #d2a8ff; }} .cyan {{ fill: #56d4dd; }}
  }}
</style>
<rect class="frame" x="0.5" y="0.5" width="{right}" height="{bottom}" rx="8"/>
<circle cx="20" cy="19" r="6" fill="#ff5f57"/><circle cx="40" cy="19" r="6" fill="#febc2e"/>
<circle cx="60" cy="19" r="6" fill="#28c840"/>
{lines}
</svg>
"""
CLASSES = {
    "1": "bold",
    "2": "dim",
    "31": "red",
    "32": "green",
    "35": "magenta",
    "36": "cyan",
    "90": "dim",
    "97": "typed",
}


def picture() -> str:
    """Return the SVG of the session, run now."""
    shown = _normal(_run())
    drawn = [
        _line(line, MARGIN + BAR + number * LINE) for number, line in enumerate(shown.split("\n"))
    ]
    width = round(2 * MARGIN + COLUMNS * LETTER)
    height = MARGIN + BAR + len(drawn) * LINE
    return FRAME.format(
        **{"width": width, "height": height, "right": width - 1, "bottom": height - 1},
        size=SIZE,
        lines="\n".join(filter(None, drawn)),
    )


def _run() -> str:
    """Return what a terminal shows of the session: what is typed, and what comes."""
    shown = []
    with tempfile.TemporaryDirectory() as home:
        now = START
        for typed in SESSION:
            if typed.startswith("#"):
                now += 31 * DAY
                shown.append(f"\x1b[90m{typed}\x1b[0m")
                continue
            given, _, line = typed.rpartition(" | ")
            stdin = shlex.split(given)[1] if given else ""
            shown.append(f"\x1b[90m$\x1b[0m \x1b[97m{typed}\x1b[0m")
            shown.append(_output(home, line, stdin, now) + "\n")
        return "\n".join(shown).replace(home, "/home/ann").rstrip("\n")


def _output(home: str, line: str, stdin: str, now: int) -> str:
    """Run a command by a clock that stands, on a pseudo-terminal; return all that it shows."""
    config = Path(home, "config.toml")
    config.touch()
    words = [word.replace("people.", f"{home}/people.") for word in shlex.split(line)[1:]]
    environment = {
        **{"HOME": home, "TERM": "xterm-256color", "BUNKERCTL_ACTOR": "ann"},
        "BUNKERCTL_CONFIG": str(config),
    }
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with (
        os.fdopen(slave, "wb") as out,
        os.fdopen(os.dup(slave), "wb", buffering=0) as err,
        os.fdopen(master, "rb", buffering=0) as terminal,
    ):
        shell = Shell(io.BytesIO(stdin.encode()), out, err, environment, lambda: now)
        code = door.run(words, shell)
        out.write(b"\0")  # where it ends
        out.flush()
        found = b""
        while not found.endswith(b"\0"):
            found += terminal.read(65536)
    if code:
        raise RuntimeError(f"exit code {code}: {line}")
    return found[:-1].decode().replace("\r\n", "\n").rstrip("\n")


def _normal(text: str) -> str:
    """Put what is always the same in place of what is random."""
    for pattern, names in NAMES:
        found = dict.fromkeys(re.findall(pattern, text))
        for real, name in zip(found, names, strict=True):
            text = text.replace(real, name)
    return text


def _line(line: str, y: int) -> str:
    """Draw one line: a text for each run of one style, at its column."""
    drawn, column, style = [], 0, ""
    for part in re.split(r"(\x1b\[[\d;]*m)", line):
        if part.startswith("\x1b"):
            style = " ".join(CLASSES[code] for code in part[2:-1].split(";") if code in CLASSES)
            continue
        for word in re.finditer(r"\S+(?: \S+)*", part):
            x = MARGIN + (column + word.start()) * LETTER
            length = len(word[0]) * LETTER
            kind = f' class="{style}"' if style else ""
            drawn.append(
                f'<text x="{x:.2f}" y="{y}" textLength="{length:.2f}"{kind}>'
                f"{escape(word[0])}</text>"
            )
        column += len(part)
    return "".join(drawn)
