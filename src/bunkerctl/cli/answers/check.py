"""What `user check` found."""

from __future__ import annotations

from bunkerctl.cli.answers import TEXT, UUID, Answer, Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.checks import Finding

FINDING: Fields = {
    "token": (UUID, "whose record"),
    "path": (TEXT, "a JSON Pointer (RFC 6901) to the field; * for names that the schema has not"),
    "rule": (TEXT, "the keyword of the schema that it breaks, or `identity`"),
}


def finding(found: Finding) -> Answer:
    return {"token": found.token, "path": found.path, "rule": found.rule}
