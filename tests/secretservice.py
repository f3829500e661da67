"""Keyrings of our own, for what no real one does on demand: each a process on a session's bus.

`python secretservice.py KIND LOG [KEY_FILE]` takes the keyring's name on the bus, prints a line,
and writes the name of every method that is called into the file LOG. The kinds:

    locked    a Secret Service whose collection is locked, with dialogs that nobody answers
    answered  the same, with a person who answers the dialog after a while
    guarded   its collection is open, and its item locked: a dialog for each program that asks
    wallet    a KWallet that is closed
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from jeepney import HeaderFields, Message, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import DBusNameFlags, message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.low_level import Header
from jeepney.wrappers import DBusAddress

ANSWER_SECONDS = 2.0
ROOT = "/org/freedesktop/secrets"
COLLECTION = f"{ROOT}/aliases/default"
ITEM = f"{ROOT}/collection/login/1"
PROMPT = f"{ROOT}/prompt/1"
SESSION = f"{ROOT}/session/1"

Reply = tuple[str | None, tuple[Any, ...]]
"""The signature and the values of an answer."""


class Unknown(Exception):
    """There is no such method here, or not with these values: the name of the error."""


class Secrets:
    """A Secret Service with one collection and one item, whose secret is a key."""

    name = "org.freedesktop.secrets"

    def __init__(self, locked: str, answered: bool, secret: bytes) -> None:
        self._locked = {locked}
        self._answered = answered
        self._secret = secret
        self.completes_at: float | None = None

    def reply(self, member: str, path: str, body: tuple[Any, ...]) -> Reply:
        if member == "Get":
            values = {"Label": ("s", "Login"), "Locked": ("b", path in self._locked)}
            return "v", (values[body[1]],)
        if member == "Unlock":
            return "aoo", ([], PROMPT) if self._locked else (body[0], "/")
        if member == "Prompt":
            self.completes_at = time.monotonic() + ANSWER_SECONDS if self._answered else None
            return None, ()
        if member == "SearchItems":
            return "ao", ([ITEM],)
        if member == "OpenSession" and body[0] == "plain":
            return "vo", (("s", ""), SESSION)
        if member == "OpenSession":
            raise Unknown("org.freedesktop.DBus.Error.NotSupported")
        if member == "GetSecret" and not self._locked:
            return "(oayays)", ((SESSION, b"", self._secret, "text/plain"),)
        raise Unknown("org.freedesktop.DBus.Error.UnknownMethod")

    def completed(self) -> Message:
        """Return what the service says when the dialog has been answered."""
        unlocked, self._locked, self.completes_at = sorted(self._locked), set(), None
        prompt = DBusAddress(PROMPT, self.name, "org.freedesktop.Secret.Prompt")
        return new_signal(prompt, "Completed", "bv", (False, ("ao", unlocked)))


class Wallet:
    """A KWallet that is closed."""

    name = "org.kde.kwalletd5"
    completes_at = None

    def reply(self, member: str, path: str, body: tuple[Any, ...]) -> Reply:
        if (member, path) == ("networkWallet", "/modules/kwalletd5"):
            return "s", ("kdewallet",)
        if (member, body) == ("isOpen", ("kdewallet",)):
            return "b", (False,)
        raise Unknown("org.freedesktop.DBus.Error.UnknownMethod")


def keep(service: Secrets | Wallet, bus: DBusConnection, log: Path) -> None:
    """Answer calls until this process is killed."""
    taken = bus.send_and_get_reply(
        message_bus.RequestName(service.name, DBusNameFlags.do_not_queue), timeout=10
    )
    assert taken.body == (1,), "somebody has that name already"
    log.touch()
    print("here", flush=True)
    while True:
        left = service.completes_at and max(0.0, service.completes_at - time.monotonic())
        try:
            message = bus.receive(timeout=left)
        except TimeoutError:
            assert isinstance(service, Secrets)
            bus.send(service.completed())
            continue
        if message.header.message_type is MessageType.method_call:
            bus.send(answered(service, message, log))


def answered(service: Secrets | Wallet, call: Message, log: Path) -> Message:
    """Return the answer to one call, after noting it."""
    header: Header = call.header
    member, path = header.fields[HeaderFields.member], header.fields[HeaderFields.path]
    with log.open("a") as file:
        file.write(f"{member}\n")
    try:
        return new_method_return(call, *service.reply(member, path, call.body))
    except Unknown as error:
        return new_error(call, str(error))


def main(kind: str, log: str, key_file: str | None = None) -> None:
    service: Secrets | Wallet = Wallet()
    if kind != "wallet":
        secret = Path(key_file).read_bytes().strip() if key_file else b""
        service = Secrets(ITEM if kind == "guarded" else COLLECTION, kind == "answered", secret)
    with open_dbus_connection() as bus:
        keep(service, bus, Path(log))


if __name__ == "__main__":
    main(*sys.argv[1:])
