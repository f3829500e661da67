"""Incoming: what a row of an import says, be it a record or a line of `export --all`."""

from __future__ import annotations

from bunkerctl import errors, identities, times
from bunkerctl.model import USER_SCHEMA, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_VERSION = 1 << 53  # what a JSON number is sure to hold


class Incoming(Value):
    """A row: a record, and of a line of an export how its person stands. Times are Unix seconds."""

    record: dict[str, Any]
    token: str | None
    at: tuple[int, int] | None
    version: int
    expstatus: str
    due_at: int | None
    held: bool

    def check_times(self, now: int) -> None:
        """Raise Invalid for times that cannot be."""
        if self.due_at is not None:
            times.check_horizon(now, self.due_at)
        if self.at is not None and max(self.at) > now:
            raise errors.Invalid("created_at or updated_at of the line lies ahead")


def read_row(line: Any) -> Incoming:
    """Return what a line says; raise Invalid if it is no record, and none of an export."""
    if not isinstance(line, dict):
        raise errors.Invalid("the line is not a JSON object")
    schema = line.get("schema")
    if schema != USER_SCHEMA:
        if isinstance(schema, str) and schema.startswith("bunkerctl."):
            raise errors.Invalid(f"the line has a schema other than {USER_SCHEMA}")
        return Incoming(
            record=line, token=None, at=None, version=1, expstatus="none", due_at=None, held=False
        )
    try:
        due_at = line["due_at"]
        incoming = Incoming(
            record=line["data"],
            token=identities.parse_uuid(line["token"], "the line's token"),
            at=(times.parse_date(line["created_at"]), times.parse_date(line["updated_at"])),
            version=line["version"],
            expstatus=line["expstatus"],
            due_at=None if due_at is None else times.parse_date(due_at),
            held=line["held"],
        )
    except (KeyError, TypeError, AttributeError):
        raise errors.Invalid(
            f"the line lacks a field of {USER_SCHEMA}, or one has a wrong type"
        ) from None
    if (
        type(incoming.version) is not int
        or not 1 <= incoming.version < MAX_VERSION
        or type(incoming.held) is not bool
        or incoming.expstatus not in ("none", "wait", "retain")
        or (incoming.expstatus == "wait") != (incoming.due_at is not None)
    ):
        raise errors.Invalid(f"a field of {USER_SCHEMA} in the line has a wrong value")
    return incoming
