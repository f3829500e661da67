"""What a command does to files, recorded call by call; and the disks that a power cut could leave.

strace(1) records, with all data. The disk is the worst that POSIX allows: what was synced is there;
of what was not, any part is, in any order, a write torn at its sectors. A name is there for sure
only once its directory was synced, even that of a synced file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import bunkerctl
from conftest import EXECUTABLE, Home, Result

SOURCES = str(Path(bunkerctl.__file__).parent.parent)
SECTOR = 512
FEW = 4
"""Of so few changed files each combination is tried: all of it there, or nothing."""

_OPEN = ("open", "openat", "creat")
_WRITE = ("write", "pwrite64", "ftruncate", "fallocate")
_NAME = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat")
_NAME_TOO = ("mkdir", "mkdirat", "rmdir")
_SYNC = ("fsync", "fdatasync")
_NOTE = ("setxattr", "lsetxattr", "fsetxattr")
_KEPT = ("mmap", "lseek", "dup", "dup2", "dup3", "close")
_FOREIGN = (
    *("openat2", "writev", "pwritev", "pwritev2", "truncate", "symlink", "symlinkat", "sync"),
    *("syncfs", "sync_file_range", "copy_file_range", "sendfile", "splice", "msync"),
    *("io_uring_setup", "mknod", "mknodat"),
)
"""What no command does; one that begins to has to be understood here first."""

_CALLS = (*_OPEN, *_WRITE, *_NAME, *_NAME_TOO, *_SYNC, *_NOTE, *_KEPT, *_FOREIGN)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")


@dataclass(frozen=True)
class Change:
    """Something of a file or a directory that is not durable before that is synced.

    `data` is written at `offset`, or `size` is set (`at_least`: only made bigger), or a `note`, an
    extended attribute, is; or of a directory `names` come to mean other files, None for none.
    """

    inode: int
    offset: int = 0
    data: bytes | None = None
    size: int | None = None
    at_least: bool = False
    note: tuple[str, bytes] | None = None
    names: dict[str, int | None] | None = None


@dataclass(frozen=True)
class Sync:
    inode: int


@dataclass(frozen=True)
class Said:
    """A write to standard output."""

    data: bytes


@dataclass(frozen=True)
class Done:
    """The end of a command."""

    result: Result


Event = Change | Sync | Said | Done


@dataclass
class Disk:
    """Files and directories by number; the root is number 0."""

    files: dict[int, bytearray] = field(default_factory=dict)
    directories: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    notes: dict[int, dict[str, bytes]] = field(default_factory=dict)

    def copy(self) -> Disk:
        return Disk(
            {number: bytearray(content) for number, content in self.files.items()},
            {number: dict(names) for number, names in self.directories.items()},
            {number: dict(notes) for number, notes in self.notes.items()},
        )

    def apply(self, change: Change, parts: tuple[tuple[int, int], ...] | None = None) -> None:
        """Make a change; of a torn write only the `parts` (from, to) of its data."""
        if change.names is not None:
            names = self.directories[change.inode]
            for name, number in change.names.items():
                names.pop(name, None)
                if number is not None:
                    names[name] = number
            return
        if change.note is not None:
            name, value = change.note
            self.notes.setdefault(change.inode, {})[name] = value
            return
        content = self.files[change.inode]
        if change.data is None:
            size = change.size or 0
            if not change.at_least:
                del content[size:]
            content.extend(bytes(max(0, size - len(content))))
            return
        for start, end in ((0, len(change.data)),) if parts is None else parts:
            first = change.offset + start
            content.extend(bytes(max(0, first - len(content))))
            content[first : change.offset + end] = change.data[start:end]

    def tree(self) -> Iterator[tuple[str, bytearray | None]]:
        """Yield (path, content) of all that has a name; None for a directory."""
        for path, number in self._paths(0, ""):
            yield path, self.files.get(number)

    def _paths(self, directory: int, above: str) -> Iterator[tuple[str, int]]:
        for name, number in sorted(self.directories[directory].items()):
            yield f"{above}{name}", number
            if number in self.directories:
                yield from self._paths(number, f"{above}{name}/")

    def put(self, root: Path) -> None:
        """Let a directory hold what this disk does, and nothing else."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
        for path, number in self._paths(0, ""):
            content = self.files.get(number)
            if content is None:
                (root / path).mkdir(mode=0o700)
                continue
            with os.fdopen(os.open(root / path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                if content.count(0) == len(content):
                    file.truncate(len(content))
                else:
                    file.write(content)
            for name, value in self.notes.get(number, {}).items():
                os.setxattr(root / path, name, value)


@dataclass(frozen=True)
class Cut:
    """A power cut after `at` events: which of the changes then pending are kept.

    `torn` is the change of which only the `parts` are.
    """

    at: int
    kept: frozenset[int]
    torn: int | None = None
    parts: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        tear = f", {self.torn} torn to {self.parts}" if self.torn is not None else ""
        return f"cut after {self.at} events, kept {sorted(self.kept)}{tear}"


class Recording:
    """What happens below `root` while commands run, beginning with what is there now."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root.resolve()
        self.events: list[Event] = []
        self._log = logs / "strace.log"
        self._live = Disk()
        self._load(self.root, 0)
        self.base = self._live.copy()
        self._open: dict[tuple[str, int], _File | None] = {}

    def run(
        self, home: Home, line: list[str], stdin: bytes = b"", *, program: str | None = None
    ) -> Result:
        """Run a command to its end; `program` is a source tree to run it from, else this one."""
        environment = {**home.environment, "PYTHONPATH": program or SOURCES}
        strace = [*STRACE, "-o", str(self._log), "-e", f"trace={','.join(_CALLS)}"]
        done = subprocess.run(
            [*strace, EXECUTABLE, *line],
            input=stdin,
            capture_output=True,
            env=environment,
            check=False,
            timeout=120,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        self._open.clear()
        before = len(self.events)
        with self._log.open() as log:
            for text in log:
                self._read(text)
        said = [event.data for event in self.events[before:] if isinstance(event, Said)]
        assert b"".join(said) == done.stdout, "the recording lacks output"
        self.events.append(Done(result))
        self._check_live()
        return result

    def cuts(self) -> Iterator[Cut]:
        """Yield every power cut that is to be tried.

        Between two syncs the changes add up: only where they are most is a cut of interest, for
        each of its parts is one that an earlier cut would have left.
        """
        for at in range(len(self.events) + 1):
            following = self.events[at] if at < len(self.events) else None
            if following is None or isinstance(following, Sync | Said):
                yield from self._cuts_at(at)

    def disk(self, cut: Cut) -> Disk:
        """Return the disk that a power cut leaves."""
        pending = set(self._pending(cut.at))
        disk = self.base.copy()
        for number, event in enumerate(self.events[: cut.at]):
            if not isinstance(event, Change):
                continue
            for inode in (event.inode, *(event.names or {}).values()):
                self._make(disk, inode)
            if number == cut.torn:
                disk.apply(event, cut.parts)
            elif number not in pending or number in cut.kept:
                disk.apply(event)
        return disk

    def live(self) -> Disk:
        """Return the disk as it is without a power cut."""
        return self._live.copy()

    def inode(self, path: str) -> int:
        """Return the number of a file that is there now."""
        number = self._find(f"{self.root}/{path}")
        assert number is not None, path
        return number

    def _cuts_at(self, at: int) -> Iterator[Cut]:
        pending = self._pending(at)
        every = frozenset(pending)
        yield Cut(at, frozenset())
        if not pending:
            return
        yield Cut(at, every)
        for number in pending:
            before = frozenset(other for other in pending if other < number)
            yield Cut(at, before)
            yield Cut(at, every - {number})
            yield Cut(at, frozenset({number}))
            for parts in self._tears(number):
                yield Cut(at, before, number, parts)
                yield Cut(at, every - {number}, number, parts)
        changed: dict[int, set[int]] = {}
        for number in pending:
            changed.setdefault(self.change(number).inode, set()).add(number)
        if 1 < len(changed) <= FEW:
            for count in range(1, len(changed)):
                for chosen in combinations(changed, count):
                    yield Cut(at, frozenset().union(*(changed[one] for one in chosen)))

    def _tears(self, number: int) -> Iterator[tuple[tuple[int, int], ...]]:
        """Yield which parts of a write may be on the disk: its begin, its end, both ends."""
        change = self.change(number)
        if change.data is None:
            return
        size, first = len(change.data), SECTOR - change.offset % SECTOR
        edges = list(range(first, size, SECTOR))
        if not edges:
            return
        for edge in {edges[0], edges[len(edges) // 2], edges[-1]}:
            yield ((0, edge),)
            yield ((edge, size),)
        if len(edges) > 1:
            yield (0, edges[0]), (edges[-1], size)

    def _pending(self, at: int) -> list[int]:
        pending: list[int] = []
        for number, event in enumerate(self.events[:at]):
            if isinstance(event, Sync):
                pending = [one for one in pending if self.change(one).inode != event.inode]
            elif isinstance(event, Change):
                pending.append(number)
        return pending

    def change(self, number: int) -> Change:
        """Return the event of that number, which is a change."""
        event = self.events[number]
        assert isinstance(event, Change)
        return event

    def _make(self, disk: Disk, number: int | None) -> None:
        """Let a disk know a file or directory that was made while it was recorded."""
        if number is None or number in disk.files or number in disk.directories:
            return
        if number in self._live.files:
            disk.files[number] = bytearray()
        else:
            disk.directories[number] = {}

    def _load(self, directory: Path, number: int) -> None:
        for path in sorted(directory.iterdir()):
            if path.name.endswith("-shm"):
                continue
            inode = self._new(directory=path.is_dir())
            self._live.directories[number][path.name] = inode
            if path.is_dir():
                self._load(path, inode)
            else:
                self._live.files[inode] = bytearray(path.read_bytes())
                for name in os.listxattr(path):
                    if name.startswith("user."):
                        note = (name, os.getxattr(path, name))
                        self._live.apply(Change(inode, note=note))

    def _check_live(self) -> None:
        """The recording gives what is really there."""
        there = {
            str(path.relative_to(self.root)): None if path.is_dir() else path.read_bytes()
            for path in self.root.rglob("*")
            if not path.name.endswith("-shm")
        }
        assert {path: content and bytes(content) for path, content in self._live.tree()} == {
            path: content and bytes(content) for path, content in there.items()
        }, "the recording differs from the disk"

    def _new(self, *, directory: bool) -> int:
        number = 1 + max((*self._live.files, *self._live.directories))
        if directory:
            self._live.directories[number] = {}
        else:
            self._live.files[number] = bytearray()
        return number

    def _add(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Change):
            self._live.apply(event)

    # What strace says.

    def _read(self, text: str) -> None:
        assert "unfinished" not in text and "resumed" not in text, text
        found = _LINE.match(text)
        if found is None:
            assert " +++ " in text or " --- " in text, text
            return
        pid, call, rest, answer = found.groups()
        if answer == "?" or int(answer) < 0:
            return
        words = rest.split(", ") if rest else []
        assert not any(word.endswith("...") for word in words), "strace has left something out"
        if call in _OPEN:
            self._opened(pid, call, words, int(answer))
        elif call in _NAME:
            self._renamed(pid, call, words)
        elif call in _NAME_TOO:
            self._directory(call, words)
        elif call in ("dup", "dup2", "dup3"):
            self._open[pid, int(answer)] = self._open.get((pid, int(words[0])))
        elif call == "mmap":
            shared = "MAP_SHARED" in words[3] and "PROT_WRITE" in words[2]
            file = self._open.get((pid, int(words[4])))
            assert not (shared and file), "a file is written through memory"
        elif call in _NOTE:
            self._noted(pid, call, words)
        elif call == "close":
            self._open.pop((pid, int(words[0])), None)
        elif call in _FOREIGN:
            raise AssertionError(f"a call that the recording does not know: {call}")
        else:
            self._wrote(pid, call, words, int(answer))

    def _opened(self, pid: str, call: str, words: list[str], answer: int) -> None:
        if call == "creat":
            path, flags = _text(words[0]), "O_WRONLY|O_CREAT|O_TRUNC"
        else:
            path, flags = (_text(words[0]), words[1]) if call == "open" else _at(words)
        self._open[pid, answer] = None
        place = self._place(path)
        if "O_TMPFILE" in flags:
            if self._find(path) is not None:
                self._open[pid, answer] = _File(self._new(directory=False))
            return
        number = self._find(path)
        if number is None:
            if place is None or "O_CREAT" not in flags:
                return
            number = self._new(directory=False)
            self._add(Change(place[0], names={place[1]: number}))
        if "O_TRUNC" in flags and self._live.files[number]:
            self._add(Change(number, size=0))
        self._open[pid, answer] = _File(number, append="O_APPEND" in flags)

    def _wrote(self, pid: str, call: str, words: list[str], answer: int) -> None:
        descriptor = int(words[0])
        file = self._open.get((pid, descriptor))
        if file is None:
            if call == "write" and descriptor == 1:
                self._add(Said(_bytes(words[1])[:answer]))
            return
        if call in _SYNC:
            self._add(Sync(file.inode))
        elif call == "lseek":
            file.position = answer
        elif call == "ftruncate":
            self._add(Change(file.inode, size=int(words[1])))
        elif call == "fallocate":
            assert words[1] == "0", words
            self._add(Change(file.inode, size=int(words[2]) + int(words[3]), at_least=True))
        else:
            if file.append:
                file.position = len(self._live.files[file.inode])
            offset = int(words[3]) if call == "pwrite64" else file.position
            self._add(Change(file.inode, offset, _bytes(words[1])[:answer]))
            if call == "write":
                file.position = offset + answer

    def _noted(self, pid: str, call: str, words: list[str]) -> None:
        file = self._open.get((pid, int(words[0]))) if call == "fsetxattr" else None
        number = file.inode if file else self._find(_text(words[0]))
        if number is not None:
            self._add(Change(number, note=(_text(words[1]), _bytes(words[2]))))

    def _renamed(self, pid: str, call: str, words: list[str]) -> None:
        if call.startswith("unlink"):
            place = self._place(_text(words[0]) if call == "unlink" else _at(words)[0])
            if place is not None:
                self._add(Change(place[0], names={place[1]: None}))
            return
        if call in ("rename", "link"):
            source, target = _text(words[0]), _text(words[1])
        else:
            source, target = _at(words)[0], _at(words[2:])[0]
        if source.startswith("/proc/self/fd/"):
            file = self._open.get((pid, int(source.rpartition("/")[2])))
            number = None if file is None else file.inode
        else:
            number = self._find(source)
        old, new = self._place(source), self._place(target)
        if new is None:
            return
        assert number is not None, (call, source)
        names: dict[str, int | None] = {new[1]: number}
        if call.startswith("rename"):
            assert old is not None and old[0] == new[0], "renamed into another directory"
            names[old[1]] = None
        self._add(Change(new[0], names=names))

    def _directory(self, call: str, words: list[str]) -> None:
        place = self._place(_at(words)[0] if call == "mkdirat" else _text(words[0]))
        if place is not None:
            number = None if call == "rmdir" else self._new(directory=True)
            self._add(Change(place[0], names={place[1]: number}))

    def _place(self, path: str) -> tuple[int, str] | None:
        """Return the directory and the name of a path, if that is recorded."""
        above, name = os.path.split(path)
        if name.endswith("-shm"):  # shared memory: SQLite makes it anew
            return None
        number = self._find(above)
        return None if number is None else (number, name)

    def _find(self, path: str) -> int | None:
        if path == str(self.root):
            return 0
        if not path.startswith(f"{self.root}/"):
            return None
        number = 0
        for name in path[len(str(self.root)) + 1 :].split("/"):
            found = self._live.directories.get(number, {}).get(name)
            if found is None:
                return None
            number = found
        return number


@dataclass
class _File:
    """An open file."""

    inode: int
    position: int = 0
    append: bool = False


STRACE = ("strace", "-f", "-xx", "-s", str(1 << 28))


def can_record() -> bool:
    """Tell whether strace is here, and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*STRACE, "-o", os.devnull, "true"], check=False).returncode == 0


def _at(words: list[str]) -> tuple[str, str]:
    """Return path and flags of a call that takes a directory first; paths are absolute."""
    path = _text(words[1])
    assert path.startswith("/") or words[0] == "AT_FDCWD", path
    return path, words[2] if len(words) > 2 else ""


def _text(word: str) -> str:
    return os.fsdecode(_bytes(word))


def _bytes(word: str) -> bytes:
    assert word.startswith('"') and word.endswith('"'), word[:80]
    return bytes.fromhex(word[1:-1].replace("\\x", ""))
