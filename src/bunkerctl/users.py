"""Users: add, find, read and change people."""

from __future__ import annotations

from bunkerctl import crypto, errors, identities, jsontext, uuids
from bunkerctl.model import Identity, Tombstone, User, Value
from bunkerctl.store import state
from bunkerctl.store import users as store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.schemas import Schema
    from bunkerctl.vault import Transaction, Vault

NEAR_BYTES = 4 << 20
"""Of records looked up together; whose are behind that are looked up one by one."""


class Rules(Value):
    """What a record must be: `region` is of phones without a country code."""

    region: str | None
    schema: Schema | None

    def check(self, record: Any) -> None:
        """Raise Invalid if a record breaks the schema."""
        if self.schema is not None:
            self.schema.check(record)


def add(vault: Vault, record: dict[str, Any], rules: Rules) -> User:
    """Add a person under a new random token.

    Raises:
        Invalid: the record has no identity, or a malformed one, or breaks the schema.
        Conflict: an identity is taken.
    """
    found = check_record(record, rules)
    with vault.transaction() as tx, tx.attempt("user.add", asks_first=True):
        return create(tx, record, found, token=uuids.new())


def get(tx: Transaction, identity: Identity, field: str | None = None) -> User:
    """Return a person, to be shown once the event of it is committed.

    `field` is what will be shown, if not all.
    """
    with tx.attempt("user.get", asks_first=True):
        user = find(tx.vault, identity)
        if field is not None and field not in user.data:
            raise errors.NotFound("the record has no such field", token=user.token)
        tx.event(
            "user.get",
            token=user.token,
            user=user.id,
            fields=None if field is None else [field],
        )
        return user


def update(
    vault: Vault,
    identity: Identity,
    patch: jsontext.Json,
    rules: Rules,
    if_version: int | None = None,
) -> tuple[User, bool]:
    """Apply a checked patch, wholly or not at all; return the person and whether it changed.

    Raises:
        Conflict: another version than `if_version`, an identity is taken, the patch does
            not fit.
        Invalid: the patched record would not be one.
    """
    from bunkerctl import patches

    with vault.transaction() as tx, tx.attempt("user.update"):
        user = find(vault, identity)
        if if_version is not None and user.version != if_version:
            raise errors.Conflict(
                f"{user.token} has version {user.version}, not {if_version}",
                hint="read it again, and decide again",
                token=user.token,
            )
        try:
            return change(tx, user, patches.apply(user.data, patch), rules)
        except (errors.Conflict, errors.Invalid) as error:  # refused, by what it would become
            error.token, error.outcome = user.token, "refused"
            raise


def count(vault: Vault) -> int:
    """Count the living."""
    with vault.reading():
        return state.totals(vault.db).living


def token_of(vault: Vault, identity: Identity) -> str:
    """Return the token of a living or erased user: no audit event, for nothing else is shown."""
    with vault.reading():
        return find_or_tombstone(vault, identity).token


def look_up(vault: Vault, whose: list[Identity]) -> None:
    """Look many people up together, which is faster: `find` has them, in the same transaction.

    Not whoever is asked for twice: what is done first is to be seen by what comes behind it.
    """
    if len(whose) == 1:
        return
    asked: dict[tuple[str, str], int] = {}
    for one in whose:
        identity = (one.kind, one.value)
        asked[identity] = asked.get(identity, 0) + 1
    tags = [vault.tag(*identity) for identity in asked if identity[0] != "token"]
    tokens = [value for kind, value in asked if kind == "token"]
    for user in store.by_tags_and_tokens(vault.db, tags, tokens, NEAR_BYTES)[0]:
        names = [("token", user.token), *user.identities.items()]
        own = [identity for identity in names if identity in asked]
        if len(own) == 1 and asked[own[0]] == 1:
            vault.near[own[0]] = user


def find(vault: Vault, identity: Identity) -> User:
    """Return the living user with an identity, in the caller's transaction; raise NotFound."""
    near = vault.near.pop((identity.kind, identity.value), None)
    if near is not None:
        return near
    if identity.kind == "token":
        user = store.by_token(vault.db, identity.value)
    else:
        user = owner(vault, identity.kind, identity.value)
    if user is None:
        raise errors.NotFound(f"no user with that {identity.kind}")
    return user


def find_or_tombstone(vault: Vault, identity: Identity) -> User | Tombstone:
    """Return a user; an erased one is found by its token alone."""
    if identity.kind == "token" and ("token", identity.value) not in vault.near:
        from bunkerctl.store import tombstones

        tombstone = tombstones.by_token(vault.db, identity.value)
        if tombstone is not None:
            return tombstone
    return find(vault, identity)


def check_record(
    record: jsontext.Json, rules: Rules, known: dict[str, str] | None = None
) -> dict[str, str]:
    """Return the identities of what is to become a record; raise Invalid if it may not be one.

    `known` are those of fields that do not change: another phone.region must not move them.
    """
    found = identify(record, rules.region, known)
    jsontext.check(record, "the record")
    rules.check(record)
    return found


def identify(
    record: jsontext.Json, region: str | None, known: dict[str, str] | None = None
) -> dict[str, str]:
    """Return the identities of a record, whatever a schema says of it; raise Invalid."""
    if not isinstance(record, dict):
        raise errors.Invalid("a record must be a JSON object")
    return identities.of_record(record, region, known)


def create(
    tx: Transaction,
    record: dict[str, Any],
    found: dict[str, str],
    *,
    token: str,
    at: tuple[int, int] | None = None,
    version: int = 1,
) -> User:
    """Add a checked record under a token; `at` is when it was created and updated, else now."""
    _check_free(tx, found, None)
    fresh = store.Fresh()
    raw = uuids.to_bytes(token)
    prepare(tx.vault, fresh, record, found, token=raw, salt=crypto.salts(1)[0])
    fresh.at, fresh.version = at, version
    return reread(tx, put_in(tx, fresh))


def prepare(
    vault: Vault,
    people: store.Fresh,
    record: dict[str, Any],
    found: dict[str, str],
    *,
    token: bytes,
    salt: bytes,
    written: bytes | None = None,
) -> None:
    """Add somebody to those for `put_in`: all that can be made of a record without the lock.

    `written` is the record as compact JSON, if it is known as that: then it has been checked.

    Raises:
        Invalid: it is too long, or nested too deep.
    """
    if written is None:
        written = jsontext.dumps(record).encode()
        jsontext.check_written(record, written, "the record")
    content, commitment = store.pack(found, record, written, salt)
    people.add(token, content, commitment, tuple(record), vault.tags(found))


def put_in(tx: Transaction, people: store.Fresh, run: int | None = None) -> int:
    """Add people whose tokens and identities are known to be free; return the id of the first.

    `run` is that of `store.lookup` which they are to be found in at first.
    """
    first = store.insert(tx.db, people, tx.now, run)
    state.add_living(tx.db, len(people))
    numbers = range(first, first + len(people))
    said = zip(people.tokens, numbers, people.fields, people.commitments, strict=True)
    tx.event_for_each("user.add", said)
    return first


def change(tx: Transaction, user: User, record: dict[str, Any], rules: Rules) -> tuple[User, bool]:
    """Put a record in place of a user's; return the user and whether anything changed."""
    from bunkerctl import patches

    fields = patches.changed_fields(user.data, record)
    if not fields:
        tx.event("user.update", token=user.token, user=user.id, fields=[])
        return user, False
    found = check_record(
        record, rules, {k: v for k, v in user.identities.items() if k not in fields}
    )
    _check_free(tx, found, user)
    body = jsontext.dumps(record).encode()
    content, commitment = store.pack(found, record, body, crypto.salts(1)[0])
    old, new = tx.vault.tags(user.identities), tx.vault.tags(found)
    store.replace(tx.db, user, tx.now, content, old, new)
    tx.event("user.update", token=user.token, user=user.id, fields=fields, commitment=commitment)
    return reread(tx, user.id), True


def reread(tx: Transaction, user_id: int) -> User:
    """Return a user as this transaction has left it."""
    user = store.by_id(tx.db, user_id)
    if user is None:
        raise errors.IntegrityFailure("the database lacks a user that it must have")
    return user


def owner(vault: Vault, kind: str, value: str) -> User | None:
    """Return who has a normalised identity, if anybody."""
    return store.by_identity(vault.db, vault.tag(kind, value), kind, value)


def _check_free(tx: Transaction, found: dict[str, str], user: User | None) -> None:
    """Raise Conflict if another living user has one of the identities.

    Decided under the write lock: of two that add one identity at once, one wins.
    """
    for kind, value in found.items():
        other = owner(tx.vault, kind, value)
        if other is not None and (user is None or other.id != user.id):
            raise errors.Conflict(
                f"the {kind} is taken by {other.token}", token=user.token if user else None
            )
