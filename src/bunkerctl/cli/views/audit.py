"""Audit events as sentences: when, who, what, to whom, and why."""

from __future__ import annotations

from bunkerctl.cli.screen import Cell, Row, Screen, piece
from bunkerctl.cli.views import aside, count, moment, value
from bunkerctl.escapes import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen

NARROW = 96
SENTENCES = {
    "key.unlock": ("unlocked the key for a while", "unlock the key"),
    "vault.init": ("made the vault", "make the vault"),
    "vault.destroy": ("destroyed the vault", "destroy the vault"),
    "user.add": ("added {token}", "add a person"),
    "user.get": ("read {fields}{token}", "read {fields}{token}"),
    "user.update": ("changed {fields}{token}", "change {token}"),
    "user.list": ("listed people{revealed}", "list people"),
    "user.forget": ("erased {token} on request", "erase {token}"),
    "user.import": ("imported a file", "import a file"),
    "user.check": ("checked the records", "check the records"),
    "user.hold": ("put {token} under a legal hold", "put {token} under a legal hold"),
    "user.release": ("released {token} from the hold", "release {token} from the hold"),
    "exp.start": ("let {token} wait for erasure", "let {token} wait for erasure"),
    "exp.status": ("looked how {token} stands", "look how {token} stands"),
    "exp.list": ("listed who waits", "list who waits"),
    "exp.retain": ("kept {token}, by the link", "keep {token}, by the link"),
    "exp.delete": ("erased {token}, by the link", "erase {token}, by the link"),
    "exp.cancel": ("took back the expiration of {token}", "take back the expiration of {token}"),
    "exp.sweep": ("swept", "sweep"),
    "exp.erase": ("erased {token} by sweep", "erase {token} by sweep"),
    "export.user": ("exported {token}", "export {token}"),
    "export.all": ("exported everybody", "export everybody"),
    "audit.prune": ("pruned old events", "prune old events"),
    "backup.create": ("made backup {backup}", "make backup {backup}"),
    "backup.prune": ("removed backup {backup}", "remove backup {backup}"),
    "backup.restore": ("restored backup {backup}", "restore backup {backup}"),
    "key.enroll": ("put the key in one more place", "put the key in one more place"),
    "key.recovery": ("made a recovery code", "make a recovery code"),
    "key.restore": ("restored the key", "restore the key"),
    "key.rotate": ("rotated the key", "rotate the key"),
}
"""What was done, and what could not be done, by action; a test has every action of the model."""


COUNTED = ("audit.prune", "backup.restore")


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    """Draw everything that an event says, its time to the second."""
    at = [piece(answer["at"], whole=True), *moment(answer["at"], seen.now)[1:]]
    screen.outline(
        Row(depth=0, name=piece(name), value=at if name == "at" else value(name, found, seen.now))
        for name, found in answer.items()
    )


def many(screen: Screen, answers: list[Answer], seen: Seen) -> None:
    """Draw a sentence an event, newest last."""
    rows = [
        (piece(str(answer["seq"]), "dim"), aside(answer["at"], seen.now), _sentence(answer))
        for answer in answers
    ]
    if screen.is_narrow(NARROW):
        width = max((len(seq.text) for seq, _, _ in rows), default=0)
        for seq, when, said in rows:
            screen.line(when, head=[piece(f"{seq.text:>{width}}  ", seq.style)])
            screen.line(said, indent=width + 2)
    else:
        screen.table((), [[[seq], when, said] for seq, when, said in rows])
    screen.line(count(len(answers), "event"))


def _sentence(answer: Answer) -> Cell:
    """Say what an event says; the token and the names of fields are all that is of a person."""
    ok = answer["outcome"] == "ok"
    done, tried = SENTENCES.get(answer["action"], (f"did {answer['action']}",) * 2)
    said: Cell = [piece(safe(answer["actor"] or "somebody"), "bold"), piece(" ")]
    said += _filled(done if ok else f"could not {tried}", answer)
    if not ok:
        said.append(piece(f": {answer['outcome'].replace('_', ' ')}", "magenta"))
    if ok and (counts := answer.get("counts")):
        said.append(piece(_counted(answer["action"], counts)))
    if answer["reason"]:
        said.append(piece(f", because {safe(answer['reason'])}"))
    if answer["ref"]:
        said.append(piece(f" ({safe(answer['ref'])})"))
    return said


def _filled(sentence: str, answer: Answer) -> Cell:
    fields = ", ".join(answer["fields"] or ())
    revealed = (answer.get("counts") or {}).get("revealed")
    before, hole, after = sentence.partition("{token}")
    words = {
        "fields": f"{safe(fields)} of " if fields else "",
        "revealed": ", their values revealed" if revealed else "",
        "backup": answer.get("backup") or "",
    }
    nobody = [piece("a list" if answer.get("counts") else "somebody")]
    whom = [piece(answer["token"])] if answer["token"] else nobody
    return [piece(before.format(**words)), *(whom if hole else []), piece(after.format(**words))]


def _counted(action: str, counts: dict[str, Any]) -> str:
    """Say the numbers of an event about many, as far as they are not nothing."""
    if action == "exp.sweep":
        if counts.get("dry_run"):
            return f" on trial: {counts['due']} due"
        due, erased = counts["due"], counts["erased"]
        return f": {erased} of {due} due erased" if due else ": nothing was due"
    if action not in COUNTED and "read" not in counts:
        return ""
    said = [f"{number} {name.replace('_', ' ')}" for name, number in counts.items() if number]
    return f": {', '.join(said)}" if said else ""
