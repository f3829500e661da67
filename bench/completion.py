"""How long a shell takes to complete a line of ours, beside its own completion of nothing.

Run by `make bench-completion`. The keys are typed into one real shell in a pseudo-terminal (fish is
asked by its `complete -C`, in one process), and the two take turns: what the terminal and the shell
take themselves is in both, so that what is left is ours. Writes a table to the file named.
"""

from __future__ import annotations

import fcntl
import os
import platform
import pty
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROUNDS = 60
GOAL_MS = 5
SCRIPTS = Path(__file__).resolve().parent.parent / "completions"
LINES = ("", "user g", "--vault v exp sweep --re", "user list --expstatus=r", "help exp sw")
MARK = "\x18m"
DONE = b"<done>"
KILL_LINE = "\x15"

BASH = f"""
. {SCRIPTS}/bunkerctl.bash
nothing() {{ COMPREPLY=(); }}
complete -F nothing nothing
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind -x '"{MARK[0]}m": printf "<%s>" done'
"""
ZSH = f"""
fpath=({SCRIPTS} $fpath)
autoload -Uz compinit && compinit -u -D
nothing() {{ return 1 }}
compdef nothing nothing
mark() {{ printf '<%s>' done }}
zle -N mark
bindkey -e
bindkey '^Xm' mark
unset zle_bracketed_paste
unsetopt beep
"""
TYPED = {"bash": (["--noprofile", "--norc", "-i"], BASH), "zsh": (["-f", "-i"], ZSH)}
FISH = """
source {scripts}/bunkerctl.fish
complete -c nothing -f
complete -C $argv[1] >/dev/null
complete -C $argv[2] >/dev/null
for turn in (seq {rounds})
    for line in $argv
        set -l before (date +%s%N)
        complete -C $line >/dev/null
        set -l after (date +%s%N)
        echo (math $after - $before)
    end
end
"""


def main() -> None:
    table = "\n".join([*head(), *rows()]) + "\n"
    print(table)
    Path(sys.argv[1]).write_text(table, encoding="utf-8")


def head() -> Iterator[str]:
    yield "# Completions, beside the shell's own completion of nothing"
    yield ""
    yield (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}; milliseconds,"
        f" median of {ROUNDS}, taken in turns; load {os.getloadavg()[0]:.1f}."
    )
    yield ""
    yield "| shell | line | nothing | ours | difference | goal |"
    yield "|---|---|---|---|---|---|"


def rows() -> Iterator[str]:
    for shell in (*TYPED, "fish"):
        if shutil.which(shell) is None:
            yield f"| {shell} | not installed | | | | |"
            continue
        measure = fish if shell == "fish" else typed
        for line in LINES:
            floor, ours = (1000 * statistics.median(found) for found in measure(shell, line))
            goal = f"under {GOAL_MS}: {'reached' if ours - floor < GOAL_MS else 'missed'}"
            figures = f"{floor:.2f} | {ours:.2f} | {ours - floor:.2f}"
            yield f"| {shell} | `bunkerctl {line}` | {figures} | {goal} |"


def typed(shell: str, line: str) -> tuple[list[float], list[float]]:
    """Return the seconds from the Tab key until the shell takes the next key: nothing, and ours."""
    floors: list[float] = []
    ours: list[float] = []
    with terminal(shell) as there:
        for turn in range(ROUNDS + 5):
            for found, word in ((floors, "nothing"), (ours, "bunkerctl")):
                seconds = complete(there, f"{word} {line}")
                if turn >= 5:  # zsh loads its functions at the first one
                    found.append(seconds)
    return floors, ours


@contextmanager
def terminal(shell: str) -> Iterator[int]:
    options, setup = TYPED[shell]
    there, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        Path(home, "setup").write_text(setup, encoding="utf-8")
        process = subprocess.Popen(
            [shell, *options],
            env={"HOME": home, "PATH": "/usr/bin:/bin", "TERM": "vt100", "LANG": "C.UTF-8"},
            cwd=home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        os.write(there, b". ./setup; printf '<%s>' done\r")
        see(there)
        yield there
        os.close(there)
        process.kill()
        process.wait()


def complete(there: int, line: str) -> float:
    os.write(there, f"{line}{MARK}".encode())
    see(there)
    start = time.perf_counter()
    os.write(there, f"\t{MARK}".encode())
    see(there)
    seconds = time.perf_counter() - start
    os.write(there, f"{KILL_LINE}{MARK}".encode())
    see(there)
    return seconds


def see(there: int) -> None:
    """Read until the mark is shown."""
    shown = b""
    while DONE not in shown:
        shown += os.read(there, 65536)


def fish(shell: str, line: str) -> tuple[list[float], list[float]]:
    script = FISH.format(scripts=SCRIPTS, rounds=ROUNDS)
    words = [shell, "--no-config", "-c", script, f"nothing {line}", f"bunkerctl {line}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = [int(one) / 1e9 for one in done.stdout.split()]
    return found[::2], found[1::2]


if __name__ == "__main__":
    main()
