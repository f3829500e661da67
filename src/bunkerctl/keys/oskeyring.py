"""The master key in the operating system's keyring: service `bunkerctl`, one entry a vault.

The backend is one class, chosen at `init`, recorded in the vault's header and imported by
name: no discovery, which is slow and can end at a backend that stores nothing. All of it,
imports too, happens in a process of its own that is killed when it takes too long.
"""

from __future__ import annotations

import os
import sys

from bunkerctl.errors import KeyUnavailable
from bunkerctl.keys import aside, sessionbus
from bunkerctl.lean import contextmanager, import_module, partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyring.backend import KeyringBackend

    from bunkerctl.keys import Session

SERVICE = "bunkerctl"
SECRET_SERVICE = "keyring.backends.SecretService.Keyring"
KWALLET = "keyring.backends.kwallet.DBusKeyring"
MACOS = "keyring.backends.macOS.Keyring"
ALLOWED = (MACOS, SECRET_SERVICE, KWALLET)
"""The backends that keep a secret: best first. Never null, fail, chainer or keyrings.alt."""

_HERE = (MACOS,) if sys.platform == "darwin" else (SECRET_SERVICE, KWALLET)

MAX_CHARACTERS = 300  # of an entry: more is no key
UNATTENDED_SECONDS = 5.0
ATTENDED_SECONDS = 120.0
_OWN_ROUTE = (
    "give an unattended job its own route: `bunkerctl key enroll file FILE` at the desktop, "
    "once, then --key-file FILE in the job"
)
_LOG_IN = f"log in to the desktop that holds the keyring, or pass --key-file FILE; {_OWN_ROUTE}"


def choose_backend(session: Session) -> str:
    """Return the class of the first backend that works here, or the one that the user has set.

    Raises:
        KeyUnavailable: none does, or the user's setting names one that is not allowed.
    """
    return _asked(session, lambda _: _chosen()) or ""


def viability(session: Session) -> dict[str, str | None]:
    """Return for each backend of this system why it does not work here, None if it does."""
    found: dict[str, str | None] = {}
    for name in _HERE:
        try:
            found[name] = _asked(session, partial(_state, name)) or None
        except KeyUnavailable as error:
            found[name] = error.message
    return found


def get(backend: str, entry: str, session: Session) -> bytes:
    """Return an entry.

    Raises:
        KeyUnavailable: locked, absent, silent, or without the entry.
    """

    def work(asking: Callable[[], None]) -> str | None:
        try:
            with _opened(backend, session, asking, entry) as keyring:
                found = keyring.get_password(SERVICE, entry)
                return found if found is None else found[:MAX_CHARACTERS]
        except UnicodeDecodeError:
            return ""

    secret = _asked(session, work)
    if secret is None:
        raise KeyUnavailable(
            "the keyring has no entry for this vault",
            reason="entry_missing",
            hint="with a recovery code: `bunkerctl key restore`; with a copy of the key: "
            "--key-file FILE; was the vault made by another user?",
        )
    return secret.encode()


def put(backend: str, entry: str, secret: bytes, session: Session) -> None:
    """Store an entry, and read it back.

    Raises:
        KeyUnavailable: it could not be stored, or what comes back is something else.
    """
    text = secret.decode().strip()

    def work(asking: Callable[[], None]) -> str | None:
        with _opened(backend, session, asking) as keyring:
            keyring.set_password(SERVICE, entry, text)
            return keyring.get_password(SERVICE, entry)

    if _asked(session, work) != text:
        raise KeyUnavailable(
            "the keyring did not keep the key: it was read back and differs",
            reason="not_kept",
            hint="pass --key-file FILE",
        )


def remove(backend: str, entry: str, session: Session) -> None:
    """Remove an entry, if it is there."""

    def work(asking: Callable[[], None]) -> None:
        from keyring.errors import PasswordDeleteError

        with _opened(backend, session, asking) as keyring:
            try:
                keyring.delete_password(SERVICE, entry)
            except PasswordDeleteError:  # also what it raises for one that is not there
                if keyring.get_password(SERVICE, entry) is not None:
                    raise

    _asked(session, work)


def locked(backend: str, session: Session) -> bool:
    """Ask whether the keyring is locked, without anything that could open a dialog.

    Raises:
        KeyUnavailable: it cannot be asked.
    """
    return bool(_asked(session, lambda _: "locked" if _is_locked(_wanted(backend)) else ""))


def _asked(session: Session, work: Callable[[Callable[[], None]], str | None]) -> str | None:
    seconds = session.seconds or (ATTENDED_SECONDS if session.attended else UNATTENDED_SECONDS)
    waiting = partial(_tell, session) if session.attended else None
    try:
        return aside.run(work, session.environment, seconds, waiting)
    except aside.Silent:
        raise KeyUnavailable(
            f"the keyring did not answer within {seconds:g} seconds",
            reason="timeout",
            hint=f"--keyring-timeout waits longer; {_LOG_IN}",
        ) from None
    except KeyUnavailable as error:
        error.hint = error.hint or _LOG_IN
        raise


def _tell(session: Session, locked: bool) -> None:
    if not locked:
        session.tell("waiting for the keyring to answer; Ctrl-C gives up")
        return
    display = session.environment.get("WAYLAND_DISPLAY") or session.environment.get("DISPLAY")
    place = f"the desktop ({display})" if display else "the desktop that this session belongs to"
    session.tell(
        f"the keyring is locked: its dialog may be open on {place}, behind another window; "
        "Ctrl-C gives up"
    )


# What follows runs in the process of its own.


def _chosen() -> str:
    if _setting() is not None:
        return _tried(_wanted(""))
    problems = []
    for name in _HERE:
        try:
            return _tried(name)
        except KeyUnavailable as error:
            problems.append(error.message)
    raise KeyUnavailable(
        f"no keyring can be used here: {'; '.join(problems)}",
        reason="no_backend",
        hint="run this in a desktop session, or pass --key-file FILE",
    )


def _tried(name: str) -> str:
    _is_locked(name)
    _load(name)
    return name


def _state(name: str, _asking: object) -> str:
    locked = _is_locked(name)
    _load(name)
    return f"the keyring backend {name} answers, and is locked" if locked else ""


def _setting() -> tuple[str, str] | None:
    """Return the backend that the user has set for all programs, and where; None if none."""
    named = os.environ.get("PYTHON_KEYRING_BACKEND")
    if named:
        return named, "PYTHON_KEYRING_BACKEND"
    from keyring.util import platform_

    try:
        path = os.path.join(platform_.config_root(), "keyringrc.cfg")
    except RuntimeError:  # no home directory
        return None
    if not os.path.exists(path):
        return None
    import configparser

    rc = configparser.RawConfigParser()
    try:
        rc.read(path)
        return rc.get("backend", "default-keyring").strip(), path
    except (configparser.Error, UnicodeDecodeError, OSError):
        return None


def _wanted(recorded: str) -> str:
    """Return the backend to take: the user's setting if there is one, else the recorded one.

    Raises:
        KeyUnavailable: it is not one that keeps a secret.
    """
    setting = _setting()
    name, said_by = setting or (recorded, "the vault's header")
    if name not in ALLOWED:
        raise KeyUnavailable(
            f"{said_by} names the keyring backend {name}, which is not one that keeps a secret",
            reason="backend_refused",
            hint=f"allowed are {', '.join(ALLOWED)}; or pass --key-file FILE",
        )
    return name


@contextmanager
def _opened(
    backend: str, session: Session, asking: Callable[[], None], entry: str | None = None
) -> Iterator[KeyringBackend]:
    """Run a block with a backend that may be asked: unlocked, or with a person to unlock it."""
    name = _wanted(backend)
    if _is_locked(name, entry):
        if not session.attended:
            raise KeyUnavailable("the keyring is locked", reason="locked", hint=_LOG_IN)
        asking()
    keyring = _load(name)
    from keyring.errors import KeyringLocked

    try:
        yield keyring
    except KeyringLocked:
        raise KeyUnavailable(
            "the keyring is locked, and stayed so", reason="locked", hint=_LOG_IN
        ) from None


def _is_locked(name: str, entry: str | None = None) -> bool:
    """Tell whether the keyring, or that entry, is locked; raise KeyUnavailable if nobody answers.

    Backends that are not on D-Bus cannot be asked.
    """
    try:
        if name == SECRET_SERVICE:
            wanted = None if entry is None else {"service": SERVICE, "username": entry}
            return sessionbus.secret_service_is_locked(wanted)
        return name == KWALLET and sessionbus.kwallet_is_locked()
    except KeyUnavailable as error:
        raise _unfit(name, error.message) from error


def _load(name: str) -> KeyringBackend:
    module, _, kind = name.rpartition(".")
    try:
        backend: type[KeyringBackend] = getattr(import_module(module), kind)
        if name != SECRET_SERVICE:  # that one has answered already
            backend.priority  # noqa: B018 - it raises where the backend cannot work
        return backend()
    except ImportError as error:
        raise _unfit(name, f"the package {error.name} is not installed") from error
    except RuntimeError as error:
        raise _unfit(name, str(error)) from error


def _unfit(name: str, why: str) -> KeyUnavailable:
    return KeyUnavailable(f"the keyring backend {name} cannot be used: {why}", reason="no_backend")
