"""Looking for what must be gone: every page of every file, decrypted, and every file raw."""

from __future__ import annotations

from bunkerctl import pages
from conftest import Home


def found(home: Home, *words: bytes) -> list[str]:
    """Return where any of the words is left, in whatever file the vault has."""
    places = [
        f"{name} page {number}"
        for name, number, content in pages.decrypted(str(home.vault), home.database_key())
        if any(word in content for word in words)
    ]
    for path in sorted(home.vault.iterdir()):
        content = path.read_bytes()
        places += [f"{path.name} raw" for word in words if word in content]
    return places
