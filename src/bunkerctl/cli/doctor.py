"""`doctor`."""

from __future__ import annotations

from bunkerctl import diagnosis
from bunkerctl.cli import keysource
from bunkerctl.cli.answers import Answer, several
from bunkerctl.cli.answers import doctor as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bunkerctl.model import Progress


@command("doctor", answer=several(answers.FINDING))
def doctor(call: Call) -> None:
    """Examine the machine and the vault, and say what to do about each finding.

    Engine, place, permissions, disk, delivery of the key, clock, database (every page), audit
    trail, erasures and the last sweep. `level` is ok, note, warning or error. Exit 0 if nothing
    is broken, warnings or not; else the code of the gravest finding.

    Examples:
      bunkerctl doctor
      bunkerctl doctor --json | jq '.[] | select(.level != "ok")'
    """
    found: list[diagnosis.Finding] = []

    def shown(progress: Progress) -> Iterator[Answer]:
        place, given = call.directory(), keysource.given(call)
        for finding in diagnosis.examine(
            place, given, call.surroundings(), call.overdue_before(), progress
        ):
            found.append(finding)
            yield answers.finding(finding)

    with call.progress("nothing was changed: run it again", shown=not call.streams()) as progress:
        call.show_list(
            shown(progress),
            answers.FINDING,
            noun="finding",
            view="doctor",
            brief=answers.FINDING_BRIEF,
            at_once=True,
        )
    if problem := diagnosis.gravest(found):
        raise problem
