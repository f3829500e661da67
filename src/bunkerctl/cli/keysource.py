"""Where this call's master key comes from: one source, the first that is named.

The line, the environment, systemd's credential if there is one, the settings; then what the
vault's header says.
"""

from __future__ import annotations

import os

from bunkerctl import errors, keys
from bunkerctl.keys import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.call import Call

NAMES = ("file", "command", "fd")
CREDENTIAL = "bunkerctl-key"
MAX_FD_DIGITS = 8


def given(call: Call) -> Route | None:
    """Return the source to take; None leaves it to the vault's header.

    Raises:
        Usage: two are named at once, or something that is none.
    """
    return named(call) or _credential(call) or _configured(call)


def named(call: Call) -> Route | None:
    """Return the source that the line, or else the environment, names.

    Raises:
        Usage: it names two, or something that is none.
    """
    places = {name: call.typed(f"key_{name}") for name in NAMES}
    if not any(places.values()):
        places = {name: call.said(f"key_{name}") for name in NAMES}
    routes = [_route(name, place) for name, place in places.items() if place]
    if len(routes) > 1:
        raise errors.Usage("more than one of --key-file, --key-command and --key-fd")
    for route in routes:
        _check(route)
        return route
    return None


def for_init(call: Call) -> Route:
    """Return the key file that `init` is to use, or the keyring that works here."""
    found = named(call)
    if found is not None and found.source != "file":
        raise errors.Usage(
            "--key-command and --key-fd cannot take a new key",
            hint="init makes one: for --key-file FILE, or for the keyring",
        )
    if found is None and call.config().get("key.command"):
        raise errors.Usage(
            "the setting key.command is there, and init cannot store a key with it",
            hint="pass --key-file FILE, and use it with this vault",
        )
    path = found.place if found else call.config().get("key.file")
    return _route("file", path) if path else keyring(call)


def keyring(call: Call) -> Route:
    """Return the keyring that works here; raise KeyUnavailable."""
    from bunkerctl.keys import oskeyring

    return Route(source="keyring", place=oskeyring.choose_backend(call.session()))


def file(path: str) -> Route:
    """Return a key file; raise Usage for a key in its place."""
    route = _route("file", path)
    _check(route)
    return route


def _credential(call: Call) -> Route | None:
    """Return the credential that systemd hands to a unit, if it has."""
    directory = call.shell.variable("CREDENTIALS_DIRECTORY")
    if directory is None:
        return None
    path = os.path.join(directory, CREDENTIAL)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # it may be there: reading it says what is wrong
    return Route(source="credential", place=path)


def _configured(call: Call) -> Route | None:
    places = {name: call.config().get(f"key.{name}") for name in NAMES[:2]}
    if all(places.values()):
        raise errors.Usage("the settings have both key.file and key.command", hint="keep one")
    for name, place in places.items():
        if place:
            return _route(name, place)
    return None


def _route(source: str, place: str) -> Route:
    """Return a route; that of a file is absolute, for the vault's header to be compared with."""
    return Route(source=source, place=os.path.abspath(place) if source == "file" else place)


def _check(route: Route) -> None:
    place = route.place
    if route.source == "file" and keys.looks_like_key(os.path.basename(place).encode()):
        raise errors.Usage("a key file is named by its path, not by the key itself")
    if route.source == "command" and keys.looks_like_key(place.strip().encode()):
        raise errors.Usage("a key command prints the key, it is not the key itself")
    if route.source == "fd" and not (
        place.isascii() and place.isdigit() and len(place) < MAX_FD_DIGITS
    ):
        raise errors.Usage("--key-fd must be the number of an open descriptor")
