"""The master key in the operating system's keyring: service `bunkerctl`, user the vault's id.

The backend is one class, chosen at `init`, recorded in the vault's header and imported by
name: no discovery, which is slow and can end at a backend that stores nothing.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from importlib import import_module

from bunkerctl.errors import KeyUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from keyring.backend import KeyringBackend

SERVICE = "bunkerctl"
SECRET_SERVICE = "keyring.backends.SecretService.Keyring"
ALLOWED = (
    "keyring.backends.macOS.Keyring",
    SECRET_SERVICE,
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
)
"""The backends that keep a secret: best first. Never null, fail, chainer or keyrings.alt."""

UNATTENDED_SECONDS = 5
ATTENDED_SECONDS = 120
_WAYS_OUT = "log in to the desktop that holds the keyring, or pass --key-file FILE"


def choose_backend() -> str:
    """Return the class of the first backend that works here.

    Raises:
        KeyUnavailable: none does, or PYTHON_KEYRING_BACKEND names one that is not allowed.
    """
    with _watched(UNATTENDED_SECONDS):
        wanted = os.environ.get("PYTHON_KEYRING_BACKEND")
        if wanted:
            _check_allowed(wanted)
            _load(wanted)
            return wanted
        for name in ALLOWED:
            try:
                _load(name)
            except KeyUnavailable:
                continue
            return name
    raise KeyUnavailable(
        "no keyring works here",
        reason="no_backend",
        hint="run this in a desktop session, or pass --key-file FILE",
    )


def get(backend: str, vault_id: str, *, attended: bool) -> bytes:
    """Return the entry of a vault.

    Raises:
        KeyUnavailable: locked, absent, silent, or without the entry.
    """
    with _watched(ATTENDED_SECONDS if attended else UNATTENDED_SECONDS):
        keyring = _open(backend, attended)
        try:
            secret = keyring.get_password(SERVICE, vault_id)
        except UnicodeDecodeError:  # it carries the secret: not to be chained
            secret = ""
    if secret is None:
        raise KeyUnavailable(
            "the keyring has no entry for this vault",
            reason="entry_missing",
            hint="was the vault made by another user? pass --key-file FILE if you have its key",
        )
    return secret.encode()


def put(backend: str, vault_id: str, secret: bytes, *, attended: bool) -> None:
    """Store the entry of a vault, and read it back.

    Raises:
        KeyUnavailable: it could not be stored, or what comes back is something else.
    """
    text = secret.decode().strip()
    with _watched(ATTENDED_SECONDS if attended else UNATTENDED_SECONDS):
        keyring = _open(backend, attended)
        keyring.set_password(SERVICE, vault_id, text)
        returned = keyring.get_password(SERVICE, vault_id)
    if returned != text:
        raise KeyUnavailable(
            "the keyring did not keep the key: it was read back and differs",
            reason="entry_missing",
            hint="pass --key-file FILE",
        )


def remove(backend: str, vault_id: str) -> None:
    """Remove the entry of a vault that could not be made."""
    with _watched(UNATTENDED_SECONDS):
        _load(backend).delete_password(SERVICE, vault_id)


def _check_allowed(backend: str) -> None:
    if backend not in ALLOWED:
        raise KeyUnavailable(
            f"the keyring backend {backend} is not one that keeps a secret",
            reason="backend_refused",
            hint=f"allowed are {', '.join(ALLOWED)}; or pass --key-file FILE",
        )


def _load(backend: str) -> KeyringBackend:
    _check_allowed(backend)
    module, _, name = backend.rpartition(".")
    try:
        kind: type[KeyringBackend] = getattr(import_module(module), name)
        kind.priority  # noqa: B018 - the question itself raises where the backend cannot work
        return kind()
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise KeyUnavailable(
            f"the keyring backend {backend} does not work here",
            reason="no_backend",
            hint=_WAYS_OUT,
        ) from error


def _open(backend: str, attended: bool) -> KeyringBackend:
    keyring = _load(backend)
    if backend == SECRET_SERVICE and not attended:
        _refuse_if_locked()
    return keyring


def _refuse_if_locked() -> None:
    """Ask the service before anything can open a dialog that nobody would answer."""
    import secretstorage

    bus = secretstorage.dbus_init()
    try:
        locked = secretstorage.Collection(
            bus, "/org/freedesktop/secrets/aliases/default"
        ).is_locked()
    except secretstorage.exceptions.ItemNotFoundException:
        raise KeyUnavailable(
            "the keyring has no default collection",
            reason="no_backend",
            hint="log in to the desktop once, or pass --key-file FILE",
        ) from None
    finally:
        bus.close()
    if locked:
        raise KeyUnavailable("the keyring is locked", reason="locked", hint=_WAYS_OUT)


def _foreign_errors() -> tuple[type[Exception], ...]:
    """What a keyring call can end with; looked up only when something was raised."""
    from keyring.errors import KeyringError

    found: list[type[Exception]] = [KeyringError, RuntimeError, ImportError, EOFError, OSError]
    try:
        from jeepney.wrappers import DBusErrorResponse
        from secretstorage.exceptions import SecretStorageException
    except ImportError:  # not on macOS
        return tuple(found)
    return (*found, DBusErrorResponse, SecretStorageException)


@contextmanager
def _watched(seconds: int) -> Iterator[None]:
    """Give up after `seconds`, and turn what keyrings raise into our error.

    A timer signal, because a D-Bus service that never answers blocks in a system call.
    """

    def give_up(_signum: int, _frame: FrameType | None) -> None:
        raise KeyUnavailable(
            f"the keyring did not answer within {seconds} seconds",
            reason="timeout",
            hint=_WAYS_OUT,
        )

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _foreign_errors() as error:
        locked = type(error).__name__ == "KeyringLocked"
        raise KeyUnavailable(
            "the keyring is locked" if locked else f"the keyring failed ({type(error).__name__})",
            reason="locked" if locked else "no_backend",
            hint=_WAYS_OUT,
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
