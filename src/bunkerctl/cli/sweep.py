"""`exp sweep`."""

from __future__ import annotations

import os

from bunkerctl import errors
from bunkerctl import sweep as sweeps
from bunkerctl.cli.answers import exp as answers
from bunkerctl.cli.answers import single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option
from bunkerctl.lean import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.sweep import Sweep


@command(
    "exp sweep",
    option("--dry-run", None, "say what would be erased, and erase nothing"),
    option("--limit", "N", "erase at most N, the longest due first"),
    option("--max-deletes", "N", "refuse only if more than N are due"),
    option("--accept-clock", None, "the clock is right, though it looks wrong"),
    option("--receipts", "DIR", "write a receipt of each erasure there: TOKEN.json"),
    answer=single(answers.SWEEP),
    fails=(errors.Partial, errors.LimitExceeded, errors.ClockSuspect, errors.Residue),
)
def sweep(
    call: Call,
    dry_run: bool,
    limit: str | None,
    max_deletes: str | None,
    accept_clock: bool,
    receipts: str | None,
) -> None:
    """Erase everybody who is due and not held. This is the cron job: it never asks.

    It has guards instead, and erases nobody (exit 5) if more are due than 25 and than 10 % of the
    living, unless --max-deletes allows them; or if the clock is over 5 minutes behind the last
    sweep, or over 45 days ahead of it with anybody due, unless --accept-clock. It can be killed
    anywhere, or unable to write receipts: what is done is reported by the next run, which writes
    those receipts; the rest stays due. It works on a full disk, too: room is kept for the largest
    record, and for 2,500 erasures or a tenth of the living. Where the setting audit.anchor says, it
    leaves a signed checkpoint of the audit trail. In plain form it prints one erased token a
    line.

    Examples:
      bunkerctl exp sweep --dry-run
      bunkerctl exp sweep -q --json
    """
    count, most = call.count("--limit", limit), call.count("--max-deletes", max_deletes)
    vault = call.vault(erasing=not dry_run)
    if dry_run:
        done = sweeps.preview(vault, limit=count, max_deletes=most, accept_clock=accept_clock)
    else:
        with call.progress("the next sweep tells who is erased, and goes on") as progress:
            done = sweeps.run(
                vault,
                limit=count,
                max_deletes=most,
                accept_clock=accept_clock,
                prove=None if receipts is None else partial(_write_receipts, call, receipts),
                progress=progress,
            )
    if call.output.form in ("plain", "table"):
        call.output.text("".join(f"{token}\n" for token in done.tokens))
        call.note(_summary(done))
    elif call.output.form == "csv":
        call.show_list(({"token": token} for token in done.tokens), ("token",), noun="person")
    else:
        call.show(answers.sweep(done))
    try:
        call.output.flush()  # what is done is told, whatever becomes of the anchor
        sweeps.told(vault, done)
    finally:
        if not dry_run:
            call.anchor()
    if done.guard == "clock" and not done.dry_run:
        call.note("the clock looks wrong; nothing was due")
    left = f"{done.failed} of {done.due} could not be erased and stay due"
    if done.residue is not None:
        if done.failed:
            call.note(left)
        raise done.residue
    if done.unproven is not None:
        raise done.unproven
    if done.failed:
        raise errors.Partial(left)


def _write_receipts(call: Call, directory: str, tokens: list[str]) -> None:
    """Write a receipt for each token; one that an earlier run has written stays."""
    from bunkerctl import files, jsontext, placement
    from bunkerctl import receipts as evidence

    files.make_directory(directory)
    paths = {token: os.path.join(directory, f"{token}.json") for token in tokens}
    wanted = [token for token, path in paths.items() if not os.path.exists(path)]
    failed = None
    for receipt in evidence.of(call.vault(), wanted):
        text = jsontext.dumps(receipt) + "\n"
        try:
            placement.write(paths[receipt["token"]], [text.encode()], force=False)
        except errors.InputOutput as error:
            failed = error
    if failed is not None:
        raise failed


def _summary(done: Sweep) -> str:
    if not (done.due or done.held or done.finished_earlier):
        return "nothing was due"
    verb = f"would erase {len(done.tokens)}" if done.dry_run else f"erased {done.erased}"
    guard = f"; a sweep would be refused: {done.guard}" if done.refused else ""
    return (
        f"{verb} of {done.due} due; {done.held} held, {done.failed} failed,"
        f" {done.finished_earlier} finished earlier{guard}"
    )
