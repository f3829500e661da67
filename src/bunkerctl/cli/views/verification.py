"""What became of a look at the audit trail: is it whole, how much was checked, and what is bad."""

from __future__ import annotations

from bunkerctl.cli.screen import DOT, Cell, Row, Screen, piece
from bunkerctl.cli.views import plural, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    said: Cell = [piece("whole", "green") if answer["ok"] else piece("not whole", "bold red")]
    said += [DOT, piece(plural(answer["events"], "event"), whole=True)]
    if answer["pruned"]:
        said += [DOT, piece(f"the first {answer['pruned']:,} pruned", whole=True)]
    if answer["people"] is not None:
        said += [DOT, piece(f"{plural(answer['people'], 'record')} compared", whole=True)]
    screen.line(said)
    rest = {name: answer[name] for name in ("first_bad", "bad", "unchecked", "consistency")}
    shown = {"root": answer["head"]["root"], "at": answer["head"]["at"], **rest}
    screen.outline(
        Row(depth=0, name=piece(name), value=value(name, found, seen.now))
        for name, found in shown.items()
        if found
    )
