"""`user check`."""

from __future__ import annotations

from bunkerctl import checks, errors
from bunkerctl.cli.answers import check as answers
from bunkerctl.cli.answers import several
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command


@command("user check", answer=several(answers.FINDING), fails=(errors.Partial,))
def check(call: Call) -> None:
    """Check every record against the schema and the rules of identities, as they are now.

    The schema is the file that `record.schema` names; without one, identities are checked alone. A
    line is a field that breaks a rule: a JSON Pointer to it, and the keyword of the schema, or
    `identity` for one that would be refused today, or is not what the person is found by (after
    another `phone.region`). Names that the schema does not have are shown as *. No value is shown,
    and nothing is changed. Nothing to tell: exit 0. Anything: exit 3.

    Examples:
      bunkerctl user check
      bunkerctl user check -o csv > to-mend.csv
    """
    rules = call.rules()
    tally = checks.Tally()
    vault = call.vault()
    with call.progress("nothing was changed: run it again", shown=not call.streams()) as progress:
        found = checks.everyone(vault, rules, tally, progress)
        call.show_list(map(answers.finding, found), tuple(answers.FINDING), noun="finding")
    if tally.bad:
        raise errors.Partial(f"{tally.bad} of {tally.people} people have records that break a rule")
    call.note(f"nothing to mend; people: {tally.people}" + _without(rules.schema is None))


def _without(no_schema: bool) -> str:
    return "; no record.schema is set: only identities were checked" if no_schema else ""
