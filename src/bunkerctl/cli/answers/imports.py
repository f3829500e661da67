"""What became of the lines of an import."""

from __future__ import annotations

from bunkerctl.cli.answers import COUNT, Fields

IMPORTED: Fields = {
    "read": (COUNT, "how many lines were read"),
    "added": (COUNT, "how many people are new"),
    "updated": (COUNT, "how many records were changed, with --on-conflict update"),
    "skipped": (COUNT, "how many lines were left out: an identity is taken, or nothing is new"),
    "rejected": (COUNT, "how many lines are not in: each is told on standard error"),
    "duplicates": (
        COUNT,
        "how many lines are about the person of an earlier line of the file",
    ),
}
