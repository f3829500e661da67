"""What every test of this folder is followed by: a search for the bytes of whoever was erased."""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunkerctl import crypto, errors, keys, pages
from bunkerctl.directory import HEADER, Header, read_header
from conftest import Home

_MARK = re.compile(rb"CANARY\.(\w+)\.")


def canary(login: str) -> str:
    """Return a word for the record of the person with that login, which nobody else may have.

    After each test every vault that it has left is searched: the word of a login that nobody has
    any more must not be in it.
    """
    return f"CANARY.{login}."


def found_key(header: Header, place: Path) -> Path | None:
    """Return the file of a vault's key: where its header says, or anywhere below `place`."""
    named = [Path(one.place) for one in header.places() if one.source == "file"]
    for path in (*named, *sorted(place.rglob("*"))):
        if path.is_file() and path.stat().st_size <= 66:
            try:
                key = keys.parse(path.read_bytes(), path.name)
            except errors.KeyUnavailable:
                continue
            if keys.id_of(key, header.vault_id) == header.key_id:
                return path
    return None


def residue(place: Path) -> list[str]:
    """Return where anything of an erased person is left, in every vault below `place`.

    A vault that no key or no command opens any more cannot say who was erased, and is left out.
    """
    left: list[str] = []
    for path in sorted(place.rglob(HEADER)):
        vault = path.parent
        try:
            header = read_header(str(vault))
        except errors.BunkerError:
            continue
        key = found_key(header, place)
        if key is None:
            continue
        living = _living(vault, key)
        if living is None:
            continue
        raw = crypto.database_key(
            keys.parse(key.read_bytes(), key.name), uuid.UUID(header.vault_id).bytes
        )
        contents = [
            (f"{vault}/{name} page {number}", content)
            for name, number, content in pages.decrypted(str(vault), raw)
        ]
        contents += [(str(one), one.read_bytes()) for one in vault.rglob("*") if one.is_file()]
        for where, content in contents:
            gone = {login.decode() for login in _MARK.findall(content)} - living
            left += [f"{where}: {login}" for login in sorted(gone)]
    return left


def _living(vault: Path, key: Path) -> set[str] | None:
    """Return the logins of a vault that has erased somebody; None for another."""
    home = Home(vault.parent)
    home.environment |= {"BUNKERCTL_VAULT": str(vault), "BUNKERCTL_KEY_FILE": str(key)}
    erased = home.run("erasure list -o jsonl")
    listed = home.run("user list --reveal -o jsonl")
    if erased.code or listed.code or not erased.out:
        return None
    return {json.loads(line)["data"].get("login", "") for line in listed.out.splitlines()}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A place where a sync costs nothing: it is recorded, and need not happen."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        yield Path(place)


@pytest.fixture(autouse=True)
def no_residue(tmp_path: Path) -> Iterator[None]:
    """Nothing of an erased person is left in any vault that a test leaves below its `tmp_path`."""
    yield
    assert residue(tmp_path) == []
