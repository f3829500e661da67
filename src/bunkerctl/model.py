"""The values that the program speaks of, and the rules that hold among them.

Nothing here knows of files, SQL, the clock or the command line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Value:
    """A frozen record of named fields, as `dataclass(kw_only=True)` would make it.

    `dataclasses` imports `inspect`, which costs a call more than opening the vault does.
    """

    def __init__(self, **fields: Any) -> None:
        names = self.__class__.__annotations__
        if fields.keys() != names.keys():
            odd = sorted(fields.keys() ^ names.keys())
            raise TypeError(f"{type(self).__name__}: {', '.join(odd)} missing or unknown")
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.items()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # a repr may end in a log; it names nobody

    def with_(self, **fields: Any) -> Self:
        """Return a copy with some fields replaced."""
        return type(self)(**{**self.__dict__, **fields})


IDENTITY_KINDS = ("email", "phone", "login", "custom")
"""The root-level keys of a record that are identities, in the order they are listed."""

EXPSTATUSES = ("none", "wait", "retain", "expired")


class Identity(Value):
    """How a user is found: `kind` is one of IDENTITY_KINDS or `token`, `value` is normalised."""

    kind: str
    value: str


class Expiration(Value):
    """The plan to erase a user.

    `status` is `none` (cancelled, the exptoken is remembered), `wait` or `retain`;
    times are Unix seconds, UTC.
    """

    exptoken: str
    status: str
    started_at: int
    due_at: int


class Hold(Value):
    """A legal hold; `until` is the Unix second at which it lapses, None means never."""

    reason: str
    by: str
    since: int
    until: int | None

    def active(self, now: int) -> bool:
        return self.until is None or self.until > now


class User(Value):
    """One living person: `data` is the record as given, `identities` are normalised by kind."""

    id: int
    token: str
    created_at: int
    updated_at: int
    version: int
    identities: dict[str, str]
    data: dict[str, Any]
    expiration: Expiration | None
    hold: Hold | None

    def expstatus(self) -> str:
        return self.expiration.status if self.expiration else "none"

    def due_at(self) -> int | None:
        return self.expiration.due_at if self.expiration and self.waiting() else None

    def waiting(self) -> bool:
        return self.expstatus() == "wait"

    def due(self, now: int) -> bool:
        due_at = self.due_at()
        return due_at is not None and due_at <= now

    def held(self, now: int) -> bool:
        return self.hold is not None and self.hold.active(now)


class Tombstone(Value):
    """What remains of an erased person: no more than this.

    `reason` is `request`, `link`, `sweep` or `restore`; `counts` says how many things of
    each class were erased; `event` is the number of the audit event of the erasure.
    """

    token: str
    exptoken: str | None
    created_at: int
    erased_at: int
    reason: str
    counts: dict[str, int]
    event: int


class Head(Value):
    """The state of the audit trail: `size` events, `root` is their RFC 6962 tree head (hex)."""

    vault_id: str
    size: int
    root: str
    at: int


class Origin(Value):
    """Who runs this command, and why: what each audit event says about the caller."""

    actor: str
    os_user: str
    uid: int
    host: str
    reason: str | None
    ref: str | None


class Progress:
    """How far a long act has come: whoever acts writes it, and whoever looks on reads it.

    `done` of `total` are `what`, like "people erased"; `total` is None where nobody knows it.
    `measure` tells what is done where the act itself cannot: in one long call.
    """

    def __init__(self) -> None:
        self.begin("")

    def begin(
        self, what: str, total: int | None = None, measure: Callable[[], int] | None = None
    ) -> None:
        """Begin a stage of the act, or another one."""
        self.done = 0
        self.total = total
        self.measure = measure
        self.what = what

    def come(self) -> int:
        """Return how many are done now."""
        return self.measure() if self.measure else self.done


UNSEEN = Progress()
"""The progress of an act that nobody looks on at."""

USER_SCHEMA = "bunkerctl.user/1"
"""What a line of `export --all` calls itself, and `user import` knows it by."""

USER_LINE = (
    "schema",
    "token",
    "created_at",
    "updated_at",
    "version",
    "identities",
    "data",
    "expstatus",
    "exptime",
    "due_at",
    "held",
)
"""The fields of such a line, and the columns of the same as CSV."""

ACTIONS = (
    "vault.init",
    "user.add",
    "user.get",
    "user.update",
    "user.list",
    "user.forget",
    "user.import",
    "user.check",
    "user.hold",
    "user.release",
    "exp.start",
    "exp.status",
    "exp.list",
    "exp.retain",
    "exp.delete",
    "exp.cancel",
    "exp.sweep",
    "exp.erase",
    "export.user",
    "export.all",
    "audit.prune",
    "backup.create",
    "backup.prune",
    "backup.restore",
    "key.enroll",
    "key.recovery",
    "key.restore",
    "key.rotate",
    "key.unlock",
    "vault.destroy",
)
"""What an audit event can be about; the names are stable."""

ERASURES = {
    "user.forget": "request",
    "exp.delete": "link",
    "exp.erase": "sweep",
    "backup.restore": "restore",
}
"""The actions that erase a person, and the reason that its tombstone then has."""

TRANSITIONS: dict[tuple[str, str], str | None] = {
    ("none", "start"): "wait",
    ("none", "retain"): None,
    ("none", "delete"): None,
    ("none", "cancel"): "none",
    ("wait", "start"): "wait",
    ("wait", "retain"): "retain",
    ("wait", "delete"): "expired",
    ("wait", "cancel"): "none",
    ("retain", "start"): "wait",
    ("retain", "retain"): "retain",
    ("retain", "delete"): None,
    ("retain", "cancel"): "none",
    ("expired", "start"): None,
    ("expired", "retain"): None,
    ("expired", "delete"): "expired",
    ("expired", "cancel"): None,
}
"""(expstatus, event) → the next expstatus; None: the state does not allow the event.

`due` and `forget` are not here: a sweep and `user forget` erase in every state, or find
nobody.
"""
