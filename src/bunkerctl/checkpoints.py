"""Checkpoints: the audit trail's head, signed, so that whoever kept one can hold it against us.

The key that signs is the vault's own (Ed25519, random, in the database), not derived from the
master key: a rotation breaks nothing.
"""

from __future__ import annotations

import json
import os
import shlex

from bunkerctl import crypto, errors, files, jsontext, notes, times, uuids
from bunkerctl.merkle import HASH_BYTES
from bunkerctl.model import Head, Value
from bunkerctl.store import audit, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bunkerctl.merkle import Tree
    from bunkerctl.notes import Verifier
    from bunkerctl.vault import Vault

TIMEOUT_SECONDS = 30
MAX_BYTES = 1 << 20


class Kept(Value):
    """A head that was kept elsewhere, and the note that says so, if it was signed."""

    head: Head
    note: str | None


class Signed(Value):
    """The head of the trail at a moment, and the note that says so."""

    head: Head
    note: str

    def line(self) -> str:
        """Return it as an anchor has it: one JSON object, as `audit checkpoint --json` prints."""
        said = {
            "vault_id": self.head.vault_id,
            "size": self.head.size,
            "root": self.head.root,
            "at": times.text(self.head.at),
            "checkpoint": self.note,
        }
        return json.dumps(said, ensure_ascii=False)


def parse(raw: bytes, now: int) -> Kept:
    """Read a head as it was kept: a note, or what `audit head --json` and an anchor have.

    Of several lines the last one counts. `now` stands for the time that a note lacks.

    Raises:
        Invalid: it is something else.
    """
    try:
        text = raw.decode("utf-8", "replace")  # of a long file this may be the end alone
        lines = [line for line in text.split("\n") if line.startswith("{")]
        if not lines:
            return _of_note(text, now)
        said = _last_whole(lines)
        head = _of_json(said)
        note = said.get("checkpoint") if isinstance(said, dict) else None
        if note is not None and _of_note(note, now).head.with_(at=head.at) != head:
            raise ValueError("a head and a note that differ")
        return Kept(head=head, note=note)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, errors.Invalid):
        raise errors.Invalid(
            "that is no head of an audit trail",
            hint="`audit head --json` and `audit checkpoint` print one; a plain head will not do",
        ) from None


def _last_whole(lines: list[str]) -> Any:
    """Return the last line that is JSON: a kill may have cut one off."""
    for line in reversed(lines[1:]):
        try:
            return jsontext.loads(line.encode(), "the head")
        except errors.Invalid:
            continue
    return jsontext.loads(lines[0].encode(), "the head")


def _of_note(text: str, now: int) -> Kept:
    signed, mark, _ = text.rpartition("\n\n")
    said = notes.read(f"{signed}\n" if mark else text)
    if not said.origin.startswith(notes.ORIGIN):
        raise errors.Invalid("that is another log's checkpoint")
    vault_id = uuids.checked(said.origin.removeprefix(notes.ORIGIN))
    head = Head(vault_id=vault_id, size=said.size, root=said.root.hex(), at=now)
    return Kept(head=head, note=text)


def _of_json(said: Any) -> Head:
    size, root = said["size"], bytes.fromhex(said["root"])
    if type(size) is not int or size < 0 or len(root) != HASH_BYTES:
        raise ValueError("not a head")
    return Head(
        vault_id=uuids.checked(said["vault_id"]),
        size=size,
        root=root.hex(),
        at=times.parse_date(said["at"]),
    )


def is_signed_by(vault: Vault, kept: Kept) -> bool:
    """Tell whether a head that has a note is signed by the vault, within a transaction."""
    if kept.note is None:
        return True
    try:
        notes.open_(kept.note, verifier_within(vault))
    except (errors.Invalid, errors.IntegrityFailure):
        return False
    return True


def take(vault: Vault) -> Signed:
    """Return the signed checkpoint of the trail as it is now."""
    with vault.reading():
        return sign(vault, audit.tree(vault.db))


def sign(vault: Vault, tree: Tree) -> Signed:
    """Return the signed checkpoint of a tree, within the caller's transaction."""
    vault_id = vault.header.vault_id
    checkpoint = notes.Checkpoint(
        origin=notes.origin_of(vault_id), size=tree.size, root=tree.root()
    )
    return Signed(
        head=Head(vault_id=vault_id, size=tree.size, root=tree.root().hex(), at=vault.now()),
        note=notes.sign(checkpoint, state.meta(vault.db, "signing_seed")),
    )


def verifier(vault: Vault) -> Verifier:
    """Return the public key that checkpoints are checked with."""
    with vault.reading():
        return verifier_within(vault)


def verifier_within(vault: Vault) -> Verifier:
    """As `verifier`, within the caller's transaction."""
    return notes.Verifier(
        name=notes.origin_of(vault.header.vault_id),
        public=crypto.public_key(state.meta(vault.db, "signing_seed")),
    )


def is_own(vault: Vault, tree: Tree, note: str) -> bool:
    """Tell whether a note is the vault's own checkpoint of that tree, within a transaction."""
    try:
        said = notes.open_(note, verifier_within(vault))
    except (errors.Invalid, errors.IntegrityFailure):
        return False
    return (said.size, said.root) == (tree.size, tree.root())


def anchor(vault: Vault, places: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """Put a checkpoint wherever the settings say; return what went wrong, a line a place.

    `places` maps `file` to a path, `syslog` to anything, `command` to a command line, which is
    run without a shell and reads the checkpoint.
    """
    if not places:
        return []
    import subprocess

    line, problems = take(vault).line() + "\n", []
    ways = {"file": _append, "syslog": _log, "command": _pipe}
    for kind, place in places.items():
        try:
            ways[kind](place, line, environment)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            problems.append(f"no anchor by {kind}: {type(error).__name__}")
    return problems


def anchored(path: str, vault_id: str) -> bytes | None:
    """Return the newest line of a vault in an anchor file; None if it has none.

    Raises:
        InputOutput: the file cannot be read.
    """
    newest = None
    try:
        with open(path, "rb") as file:
            for _, line in files.lines(file, notes.MAX_BYTES):
                if line is not None and vault_id.encode() in line:
                    newest = line
    except OSError as error:
        raise files.explain(error, "read", path) from error
    return newest


def _append(path: str, line: str, _environment: Mapping[str, str]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, files.PRIVATE)
    try:
        content = line.encode()
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.sync_directory(os.path.dirname(path))


def _log(_place: str, line: str, _environment: Mapping[str, str]) -> None:
    import syslog

    syslog.openlog("bunkerctl", 0, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_INFO, "checkpoint " + line.strip())


def _pipe(command: str, line: str, environment: Mapping[str, str]) -> None:
    import subprocess

    subprocess.run(
        shlex.split(command),
        input=line.encode(),
        stdout=subprocess.DEVNULL,
        env=environment,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
