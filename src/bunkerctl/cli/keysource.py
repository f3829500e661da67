"""Where this call's master key comes from: the line, else the environment, else the settings."""

from __future__ import annotations

import os

from bunkerctl import errors, keys
from bunkerctl.keys import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.call import Call
    from bunkerctl.directory import Header

NAMES = ("file", "command", "fd")
WORDS = {
    "file": "the key file",
    "command": "the key command",
    "fd": "the descriptor",
    "keyring": "the keyring",
}
MAX_FD_DIGITS = 8


def named(call: Call) -> Route | None:
    """Return the source that the line, or else the environment, names.

    Raises:
        Usage: it names two, or something that is none.
    """
    given = {name: call.typed(f"key_{name}") for name in NAMES}
    if not any(given.values()):
        given = {name: call.said(f"key_{name}") for name in NAMES}
    routes = [Route(source=name, place=place) for name, place in given.items() if place]
    if len(routes) > 1:
        raise errors.Usage("more than one of --key-file, --key-command and --key-fd")
    for route in routes:
        _check(route)
        return route
    return None


def route(call: Call, header: Header, named: Route | None) -> Route:
    """Return the source to take: the named one, else the settings', else what `init` recorded."""
    configured = (
        Route(source=name, place=place)
        for name in NAMES[:2]
        if (place := call.config().get(f"key.{name}"))
    )
    found = named or next(configured, header.key)
    if found is None:
        raise errors.KeyUnavailable(
            "the vault's header names no key source",
            reason="entry_missing",
            hint="pass --key-file FILE",
        )
    return found


def for_init(call: Call) -> str | None:
    """Return the key file that `init` is to use; None for the keyring."""
    given = named(call)
    if given is not None and given.source != "file":
        raise errors.Usage("init makes a key: for a key file or for the keyring")
    if given is None and call.config().get("key.command"):
        raise errors.Usage(
            "the setting key.command is there, and init cannot store a key with it",
            hint="pass --key-file FILE, and use it with this vault",
        )
    return given.place if given else call.config().get("key.file")


def _check(route: Route) -> None:
    place = route.place
    if route.source == "file" and keys.looks_like_key(os.path.basename(place).encode()):
        raise errors.Usage("--key-file takes the path of a file, not the key itself")
    if route.source == "fd" and not (
        place.isascii() and place.isdigit() and len(place) < MAX_FD_DIGITS
    ):
        raise errors.Usage("--key-fd must be the number of an open descriptor")
