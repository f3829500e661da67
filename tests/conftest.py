"""Real parts in temporary places: an encrypted vault, the real command line, real processes."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import answers
import profiles  # noqa: F401 - registers them
from bunkerctl import crypto, keys
from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from bunkerctl.directory import read_header
from bunkerctl.store.connection import Database

EXECUTABLE = str(Path(sys.executable).parent / "bunkerctl")
START = 1_800_000_000  # 2027-01-15T08:00:00Z: what the clock says until a test moves it
DAY = 86400


class Result:
    """What a command gave: exit code, standard output, standard error."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.raw = out
        self.err = err.decode()

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The JSON error: the last line of standard error."""
        return json.loads(self.err.splitlines()[-1])["error"]

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.raw.decode(errors='replace')}\n{self.err}"


class Home:
    """A place with a vault of its own; `now` is what its clock says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vault = directory / "vault"
        self.key_file = directory / "key"
        self.now = START
        self.environment = {
            "HOME": str(directory),
            "PATH": os.environ["PATH"],
            "BUNKERCTL_VAULT": str(self.vault),
            "BUNKERCTL_KEY_FILE": str(self.key_file),
        }

    def run(self, line: str | list[str], stdin: bytes | str = b"") -> Result:
        """Run a command line (without the program's name) in this process."""
        words = shlex.split(line) if isinstance(line, str) else line
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = io.BytesIO(), io.BytesIO()
        shell = Shell(io.BytesIO(given), out, err, self.environment, lambda: self.now)
        code = door.run(words, shell)
        answers.check(words, self.environment, code, out.getvalue(), err.getvalue())
        return Result(code, out.getvalue(), err.getvalue())

    def ok(self, line: str | list[str], stdin: bytes | str = b"") -> Result:
        """Run a command that must succeed, and say nothing but notes on standard error."""
        result = self.run(line, stdin)
        assert result.code == 0, result
        assert "error" not in result.err, result
        return result

    def add(self, **record: Any) -> str:
        """Add a person; return the token."""
        return self.ok("user add", json.dumps(record)).out.strip()

    def start(self, identity: str, duration: str = "30d") -> str:
        """Start an expiration; return the exptoken."""
        token: str = self.ok(f"exp start {identity} --in {duration} --json").json["exptoken"]
        return token

    def spawn(
        self,
        line: str | list[str],
        *,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a command as a process of its own."""
        words = shlex.split(line) if isinstance(line, str) else line
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(
            [EXECUTABLE, *words], env={**self.environment, **(environment or {})}, **options
        )

    def process(
        self,
        line: str | list[str],
        stdin: bytes = b"",
        *,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> Result:
        """Run a command as a process of its own, to its end."""
        with self.spawn(line, environment=environment, **options) as process:
            out, err = process.communicate(stdin, timeout=60)
        words = shlex.split(line) if isinstance(line, str) else line
        variables = {**self.environment, **(environment or {})}
        answers.check(words, variables, process.returncode, out or b"", err)
        return Result(process.returncode, out or b"", err or b"")

    def database_key(self) -> bytes:
        header = read_header(str(self.vault))
        master = keys.parse(self.key_file.read_bytes(), "the key file")
        return crypto.database_key(master, uuid.UUID(header.vault_id).bytes)

    def database(self) -> Database:
        """Open the database behind the program's back."""
        return Database(str(self.vault / "vault.db"), self.database_key(), 10.0)


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may touch the data of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("BUNKERCTL_", "XDG_")) or name == "PYTHON_KEYRING_BACKEND":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr("bunkerctl.config.SYSTEM_FILE", "/nonexistent/config.toml")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Home]:
    """A place without a vault."""
    yield Home(tmp_path)


@pytest.fixture
def home(bare: Home) -> Home:
    """A place with an empty vault and a key file."""
    bare.ok("init")
    return bare
