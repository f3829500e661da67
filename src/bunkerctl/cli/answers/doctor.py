"""What `doctor` found."""

from __future__ import annotations

from bunkerctl.cli.answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.diagnosis import Finding

FINDING = ("check", "level", "message", "hint", "code", "exit_code")
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
