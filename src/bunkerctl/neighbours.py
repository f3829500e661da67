"""Neighbours: other vaults that have their key in the same file."""

from __future__ import annotations

import os

from bunkerctl.directory import read_header
from bunkerctl.errors import BunkerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.keys import Route


def sharers(directory: str, vault_id: str, place: Route) -> list[str]:
    """Return what other vaults have their key in the same file, in words.

    Known are those beside this one, and those that have claimed the file.
    """
    if place.source != "file":
        return []
    from bunkerctl.keys import file

    beside = [f"the vault at {other}" for other in _neighbours(directory, vault_id, place)]
    claimed = sorted(file.claims(place.place) - {vault_id})
    return beside or [f"the vault with the id {other}" for other in claimed]


def _neighbours(directory: str, vault_id: str, place: Route) -> list[str]:
    """Return the vaults beside this one that name a key file; a copy of this one is none."""
    mine, parent = os.path.realpath(place.place), os.path.dirname(os.path.abspath(directory))
    found = []
    for name in sorted(os.listdir(parent)) if os.access(parent, os.R_OK) else ():
        other = os.path.join(parent, name)
        if os.path.realpath(other) == os.path.realpath(directory):
            continue
        try:
            header = read_header(other)
        except BunkerError:
            continue
        theirs = () if header.vault_id == vault_id else header.places()
        if any(one.source == "file" and os.path.realpath(one.place) == mine for one in theirs):
            found.append(other)
    return found
