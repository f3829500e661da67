"""Where the master key comes from: one source a call, and no falling through to another."""

from __future__ import annotations

from bunkerctl import crypto, uuids
from bunkerctl.errors import KeyUnavailable, WrongKey
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
WAITING = ".next"
"""What the name of a key ends with that waits, during a rotation, to take its place."""

WRITABLE = ("keyring", "file")
"""The sources that a key can be put into."""

GONE = ("missing", "entry_missing")
"""The reasons that say: nothing is there."""

SLOW = ("keyring", "command")
"""The sources that `unlock` spares later calls."""


class Route(Value):
    """One way to the key: `source` is keyring, file, command, fd or credential.

    `place` is what it needs: the backend class, the path, the command line, or the number of
    the descriptor.
    """

    source: str
    place: str

    def words(self) -> str:
        """Return what to call it in a message."""
        return {
            "keyring": "the keyring",
            "file": f"the key file {self.place}",
            "command": "the key command",
            "fd": f"descriptor {self.place}",
            "credential": f"the credential {self.place}",
        }[self.source]


class Session(Value):
    """The login session of a call, which a keyring belongs to.

    `attended` says that a person is there to answer a dialog, `seconds` how long to wait for a
    keyring if not as usual, `tell` shows that person a line. `owner` is, for root, the user and
    group of the vault: root may use its key files, and makes new ones for it. `unlocked` says that
    what `unlock` has kept may be used.
    """

    environment: Mapping[str, str]
    attended: bool
    seconds: float | None
    tell: Callable[[str], None]
    owner: tuple[int, int] | None
    unlocked: bool


def fetch(route: Route, vault_id: str, session: Session, *, waiting: bool = False) -> bytes:
    """Return the 32 bytes of the master key, or of the one that waits to take its place.

    Raises:
        KeyUnavailable: with the reason, and what to do.
    """
    if route.source in ("file", "credential"):
        from bunkerctl.keys import file

        if route.source == "credential":
            return parse(file.read_credential(route.place), f"the credential {route.place}")
        path = path_of(route, waiting)
        uid = None if session.owner is None else session.owner[0]
        return parse(file.read(path, uid), f"the key file {path}")
    if route.source == "command":
        from bunkerctl.keys import command

        return parse(command.run(route.place, session.environment), "what the key command printed")
    if route.source == "fd":
        from bunkerctl.keys import descriptor

        return parse(descriptor.read(route.place), f"what descriptor {route.place} gave")
    from bunkerctl.keys import oskeyring

    return parse(
        oskeyring.get(route.place, entry_of(vault_id, waiting), session), "the keyring's entry"
    )


def current(route: Route, vault_id: str, key_id: str, session: Session) -> bytes:
    """Return the key with that id: from its place, or the one that waits there.

    A waiting one then takes its place: the rotation that left it could not get there.

    Raises:
        KeyUnavailable: there is none to be had.
        WrongKey: there is another one.
    """
    if session.unlocked and route.source in SLOW:
        kept = _unlocked(vault_id, key_id)
        if kept is not None:
            return kept
    key = fetch(route, vault_id, session)
    if id_of(key, vault_id) == key_id:
        return key
    successor = waiting(route, vault_id, session)
    if successor is None or id_of(successor, vault_id) != key_id:
        error = wrong_key(key, vault_id, key_id)
        error.hint = f"it came from {route.words()}; {error.hint}"
        raise error
    from bunkerctl.keys import keeping

    keeping.promote([route], vault_id, successor, session)
    return successor


def _unlocked(vault_id: str, key_id: str) -> bytes | None:
    """Return the key that `unlock` has kept; one from before a rotation is forgotten."""
    from bunkerctl.keys import kernel

    kept = kernel.find(vault_id)
    if kept is None:
        return None
    key = parse(kept, "what the kernel keeps")
    if id_of(key, vault_id) == key_id:
        return key
    kernel.forget(vault_id)
    return None


def unlock(vault_id: str, key: bytes, seconds: int) -> None:
    """Let later calls of this user have a key without asking its place, for `seconds`.

    Raises:
        KeyUnavailable: this system cannot keep it.
    """
    from bunkerctl.keys import kernel

    kernel.keep(vault_id, text_of(key), seconds)


def lock(vault_id: str) -> bool:
    """Take back what `unlock` has done; return whether there was something to take back."""
    from bunkerctl.keys import kernel

    return kernel.forget(vault_id)


def waiting(route: Route, vault_id: str, session: Session) -> bytes | None:
    """Return the key that waits at a place, if there is one to be had."""
    if route.source not in WRITABLE:
        return None
    try:
        return fetch(route, vault_id, session, waiting=True)
    except KeyUnavailable:
        return None


def id_of(key: bytes, vault_id: str) -> str:
    """Return 16 hexadecimal digits that tell a vault's keys from one another."""
    return crypto.key_id(key, uuids.to_bytes(vault_id))


def wrong_key(key: bytes, vault_id: str, key_id: str) -> WrongKey:
    """Return the error for a key that is not the one with that id."""
    return WrongKey(
        f"the key (id {id_of(key, vault_id)}) is not this vault's (id {key_id})",
        hint="another vault's key, or one from before a rotation? see --key-file, --vault",
    )


def text_of(key: bytes) -> bytes:
    """Return the key as it is kept: 64 hexadecimal digits and a newline."""
    return key.hex().encode() + b"\n"


def parse(raw: bytes, what: str) -> bytes:
    """Read 64 hexadecimal digits, with one newline or none.

    Raises:
        KeyUnavailable: anything else.
    """
    digits = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not looks_like_key(digits):
        raise KeyUnavailable(
            f"{what} is not a master key",
            reason="malformed",
            hint="a master key is 64 hexadecimal digits and a newline",
        )
    return bytes.fromhex(digits.decode())


def looks_like_key(digits: bytes) -> bool:
    return len(digits) == 64 and HEX_DIGITS.issuperset(digits)


def path_of(route: Route, waiting: bool) -> str:
    """Return the path of a key file, or of the one that waits there."""
    return route.place + WAITING if waiting else route.place


def entry_of(vault_id: str, waiting: bool) -> str:
    """Return the name of a keyring's entry, or of the one that waits there."""
    return vault_id + WAITING if waiting else vault_id
