"""What `doctor` found."""

from __future__ import annotations

from bunkerctl.cli.answers import COUNT, TEXT, Answer, Fields, one_of, or_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.diagnosis import Finding

FINDING: Fields = {
    "check": (TEXT, "what was examined"),
    "level": (one_of("ok", "note", "warning", "error"), "how grave it is"),
    "message": (TEXT, "what was found"),
    "hint": (or_null(TEXT), "what to do about it"),
    "code": (or_null(TEXT), "the name of the error; see bunkerctl-exit-codes(7)"),
    "exit_code": (or_null(COUNT), "and its exit code"),
}

FINDING_BRIEF = ("check", "level", "message", "hint")


def finding(found: Finding) -> Answer:
    return {
        "check": found.check,
        "level": found.level,
        "message": found.message,
        "hint": found.hint,
        "code": found.error and found.error.code,
        "exit_code": found.error and found.error.exit_code,
    }
