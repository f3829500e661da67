"""Ask a keyring on the session bus whether it is locked, before anything can open a dialog."""

from __future__ import annotations

import os

from bunkerctl.errors import KeyUnavailable
from bunkerctl.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jeepney.io.blocking import DBusConnection

_DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"
_KWALLET = ("/modules/kwalletd5", "org.kde.kwalletd5", "org.kde.KWallet")


def secret_service_is_locked(entry: dict[str, str] | None) -> bool:
    """Ask the Secret Service (freedesktop.org) for the state of its default collection.

    An entry with those attributes may be locked for itself.

    Raises:
        KeyUnavailable: there is no bus, no service on it, or no default collection.
    """
    try:
        import secretstorage
        from secretstorage.exceptions import ItemNotFoundException
    except ImportError as error:
        raise _unfit(f"the package {error.name} is not installed") from None
    with _bus() as bus:
        if not secretstorage.check_service_availability(bus):
            raise _unfit("nobody on the session bus keeps secrets")
        try:
            collection = secretstorage.Collection(bus, _DEFAULT_COLLECTION)
            if collection.is_locked():
                return True
            found = collection.search_items(entry) if entry is not None else ()
            return any(item.is_locked() for item in found)
        except ItemNotFoundException:
            raise _unfit("the keyring has no default collection yet") from None


def kwallet_is_locked() -> bool:
    """Ask KWallet whether the wallet that programs share is open.

    Raises:
        KeyUnavailable: there is no bus, or no KWallet on it.
    """
    from jeepney import DBusAddress, new_method_call
    from jeepney.wrappers import DBusErrorResponse, unwrap_msg

    wallet = DBusAddress(*_KWALLET)
    with _bus() as bus:
        try:
            ask = new_method_call(wallet, "networkWallet")
            (name,) = unwrap_msg(bus.send_and_get_reply(ask))
            ask = new_method_call(wallet, "isOpen", "s", (name,))
            (is_open,) = unwrap_msg(bus.send_and_get_reply(ask))
        except DBusErrorResponse:
            raise _unfit("KWallet does not run") from None
    return not is_open


@contextmanager
def _bus() -> Iterator[DBusConnection]:
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        raise _unfit("there is no session bus (DBUS_SESSION_BUS_ADDRESS is not set)")
    try:
        from jeepney.io.blocking import open_dbus_connection
    except ImportError:
        raise _unfit("the package jeepney is not installed") from None
    try:
        bus = open_dbus_connection()
    except (OSError, ValueError, LookupError, EOFError, RuntimeError) as error:
        why = f"the session bus cannot be reached ({type(error).__name__})"
        raise _unfit(why) from error
    try:
        yield bus
    finally:
        bus.close()


def _unfit(why: str) -> KeyUnavailable:
    return KeyUnavailable(why, reason="no_backend")
