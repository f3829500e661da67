"""A desktop session for tests: a private D-Bus, and a real gnome-keyring on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import pytest

from conftest import Home

needs_desktop = pytest.mark.skipif(
    None in (shutil.which("dbus-daemon"), shutil.which("gnome-keyring-daemon")),
    reason="dbus-daemon and gnome-keyring are not installed",
)

PATIENCE_SECONDS = 10
OWN_KEYRINGS = str(Path(__file__).with_name("secretservice.py"))

# Without <servicedir>: nothing may be started by being asked for, and outlive the test.
BUS = """
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
# Not get_default_collection(): it would make one, and wait for somebody to agree.
COLLECTION = """
import secretstorage
with secretstorage.dbus_init() as bus:
    found = secretstorage.Collection(bus, "/org/freedesktop/secrets/aliases/default")
"""
UNLOCKED = COLLECTION + "    raise SystemExit(found.is_locked())"
LOCK = COLLECTION + "    found.lock()"
SILENT_PROMPTER = """
import time
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
bus = open_dbus_connection()
bus.send_and_get_reply(message_bus.RequestName("org.gnome.keyring.SystemPrompter"))
print("here", flush=True)
time.sleep(600)
"""


def log_in(home: Home, desktop: Desktop) -> Home:
    """Let the home's processes be programs of the desktop, and forget its key file."""
    home.environment.pop("BUNKERCTL_KEY_FILE", None)
    home.environment["DBUS_SESSION_BUS_ADDRESS"] = desktop.environment["DBUS_SESSION_BUS_ADDRESS"]
    return home


def log_out(home: Home) -> Home:
    """Leave the home's processes what cron gives them."""
    del home.environment["DBUS_SESSION_BUS_ADDRESS"]
    return home


class Desktop:
    """A bus and an unlocked keyring with a HOME of their own, until the end of the `with` block.

    `environment` is for the programs of the session. With `keyring` false there is a bus, and
    nobody on it who keeps secrets.
    """

    def __init__(self, *, keyring: bool = True) -> None:
        self._keyring = keyring
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Desktop:
        self.directory = Path(tempfile.mkdtemp(prefix="desktop-"))
        self._log = self.directory / "calls"
        self.environment = {
            "HOME": str(self.directory),
            "PATH": os.environ["PATH"],
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.directory}/bus",
        }
        try:
            self._start_bus()
            if self._keyring:
                self._start_keyring()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, script: str, *arguments: str) -> str:
        """Run a Python script as a program of this session; return what it printed."""
        return self._python(script, *arguments, check=True).stdout.decode()

    def lock(self) -> None:
        """Lock the keyring, as a screen saver may."""
        self.ask(LOCK)

    def freeze(self) -> None:
        """Leave the keyring there, and let it answer nothing."""
        self._daemon.send_signal(signal.SIGSTOP)

    def leave_alone(self) -> None:
        """From now on the keyring's dialogs open, and nobody answers them."""
        self._wait_for_line(self._start(sys.executable, "-c", SILENT_PROMPTER))

    def log_in_anew(self, password: bytes) -> None:
        """Start the keyring once more, as a login with that password does; it ends with the bus."""
        self._daemon.kill()
        self._daemon.wait()
        control = f"--control-directory={self.directory}/control-anew"
        subprocess.run(
            ["gnome-keyring-daemon", "--unlock", "--components=secrets", control],
            env=self.environment,
            input=password,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=True,  # it ends with 0 whatever the password
        )

    def serve(self, kind: str, *key_file: str) -> None:
        """Start a keyring of our own: a kind that secretservice.py knows."""
        words = (OWN_KEYRINGS, kind, str(self._log), *key_file)
        self._daemon = self._start(sys.executable, *words)
        self._wait_for_line(self._daemon)

    def calls(self) -> set[str]:
        """Return the methods of our own keyring that were called."""
        return set(self._log.read_text().split())

    def close(self) -> None:
        for process in reversed(self._running):
            process.kill()  # stopped ones too
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._running.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start_bus(self) -> None:
        config = self.directory / "bus.conf"
        config.write_text(BUS.format(socket=self.directory / "bus"))
        bus = self._start("dbus-daemon", "--nofork", "--print-address", f"--config-file={config}")
        self._wait_for_line(bus)

    def _start_keyring(self) -> None:
        control = f"--control-directory={self.directory}/control"
        self._daemon = self._start(
            "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", control
        )
        assert self._daemon.stdin is not None
        with self._daemon.stdin as stdin:
            stdin.write(b"password")
        end = time.monotonic() + PATIENCE_SECONDS
        while self._python(UNLOCKED, check=False).returncode:
            assert time.monotonic() < end, "gnome-keyring-daemon did not start"

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            words,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.append(process)
        return process

    def _wait_for_line(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{process.args!r} did not start"

    def _python(
        self, script: str, *arguments: str, check: bool
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=self.environment,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=check,
        )
