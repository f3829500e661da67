"""The header written: `vault.json` is put into words here, and read in `directory.py`."""

from __future__ import annotations

import os

from bunkerctl import placement, times
from bunkerctl.directory import FORMAT, HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.directory import Header, Recovery
    from bunkerctl.keys import Route


def header_text(header: Header) -> bytes:
    """Return a header as `vault.json` has it; what it has not is left out."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "vault_id": header.vault_id,
        "created_at": times.text(header.created_at),
        "key_id": header.key_id,
        "key": header.key and route_said(header.key),
    }
    if header.copies:
        said["copies"] = [route_said(copy) for copy in header.copies]
    if header.recovery:
        said["recovery"] = recovery_said(header.recovery)
    if header.succession:
        recovery = header.succession.recovery
        said["next"] = {
            "key_id": header.succession.key_id,
            "recovery": recovery and recovery_said(recovery),
        }
    if header.ending:
        said["ending"] = True
    import json

    return json.dumps(said, indent=2).encode() + b"\n"


def route_said(route: Route) -> dict[str, str]:
    return {"source": route.source, "place": route.place}


def recovery_said(recovery: Recovery) -> dict[str, str]:
    return {"made_at": times.text(recovery.made_at), "wrapped": recovery.wrapped.hex()}


def write_header(directory: str, header: Header) -> None:
    """Replace what a vault says of itself, in one step; the file keeps its owner.

    Raises:
        InputOutput: the file system refuses; the old header stands.
    """
    path = os.path.join(directory, HEADER)
    found = os.lstat(path)
    owner = (found.st_uid, found.st_gid)
    placement.write(path, [header_text(header)], force=True, owner=owner)
