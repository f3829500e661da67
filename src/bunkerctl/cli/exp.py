"""`exp start`, `status`, `cancel`, `retain`, `delete`, `list` and `sweep`."""

from __future__ import annotations

import os

from bunkerctl import errors, expirations, identities, times
from bunkerctl.cli import batch
from bunkerctl.cli.answers import Answer, several, single, single_or_each
from bunkerctl.cli.answers import exp as answers
from bunkerctl.cli.answers.user import ERASED, erased
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import IDS, argument, command, option
from bunkerctl.lean import partial
from bunkerctl.model import Identity, Tombstone, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.sweep import Sweep
    from bunkerctl.vault import Transaction

EXPTOKEN = argument("exptoken", "EXPTOKEN", "the expiration's own token, as in the links")


@command(
    "exp start",
    option("--in", "DUR", "erase after this long: 30d, 6mo, P1Y"),
    option("--on", "DATE", "erase on this date"),
    option("--restart", None, "replace a standing date and its exptoken"),
    IDS,
    answer=single_or_each(answers.EXPIRATION_CHANGED),
    fails=(errors.Partial, errors.NotFound, errors.Conflict),
)
def start(call: Call, on: str | None, restart: bool, identity: str, **values: str | None) -> None:
    """Let a person wait for erasure, and show the links to tell it with.

    The default time is the setting exp.grace (30d). Who waits already keeps the standing date,
    unless --restart: then the old links are void.

    Examples:
      bunkerctl exp start email:ann@example.com --in 30d
      bunkerctl exp start login:ann --on 2027-01-31 --restart
    """
    due_at = _due_at(call, values["in"], on)

    def answer(tx: Transaction, found: Identity) -> Answer:
        return _changed(call, *expirations.start(tx, found, due_at, restart=restart))

    batch.people(
        call,
        identity,
        "exp.start",
        batch.one_by_one(answer),
        answers.EXPIRATION_CHANGED,
        "exp",
    )


@command(
    "exp status",
    IDS,
    answer=single_or_each(answers.EXPIRATION),
    fails=(errors.Partial, errors.NotFound),
)
def status(call: Call, identity: str) -> None:
    """Show how a person stands: none, wait, retain or, by token, expired.

    Examples:
      bunkerctl exp status email:ann@example.com
    """

    def answer(tx: Transaction, found: Identity) -> Answer:
        return _answer(call, expirations.status(tx, found))

    batch.people(call, identity, "exp.status", batch.one_by_one(answer), answers.EXPIRATION, "exp")


@command(
    "exp cancel",
    IDS,
    answer=single_or_each(answers.EXPIRATION_CHANGED),
    fails=(errors.Partial, errors.NotFound, errors.Conflict),
)
def cancel(call: Call, identity: str) -> None:
    """Take an expiration back: the person is no longer to be erased, and its links are void.

    Examples:
      bunkerctl exp cancel email:ann@example.com
    """

    def answer(tx: Transaction, found: Identity) -> Answer:
        return _changed(call, *expirations.cancel(tx, found))

    batch.people(
        call,
        identity,
        "exp.cancel",
        batch.one_by_one(answer),
        answers.EXPIRATION_CHANGED,
        "exp",
    )


@command(
    "exp retain",
    EXPTOKEN,
    answer=single(answers.EXPIRATION_CHANGED),
    fails=(errors.NotFound, errors.Conflict),
)
def retain(call: Call, exptoken: str) -> None:
    """Keep a person who asked to be kept, overdue or not. Twice is once.

    Call it when the person has pressed a button, never when a link is opened: mail scanners open
    links.

    Examples:
      bunkerctl exp retain 4f2c1c9e-6f0e-4b8e-9d57-0f7c1a0f2b11
    """
    found = identities.parse_uuid(exptoken, "the exptoken")
    call.show(_changed(call, *expirations.retain(call.vault(), found)), "exp")


@command(
    "exp delete",
    EXPTOKEN,
    answer=single(ERASED),
    fails=(errors.NotFound, errors.Conflict, errors.Held, errors.Declined, errors.Residue),
)
def delete(call: Call, exptoken: str) -> None:
    """Erase now a person who waits and asked to be gone. Twice is once.

    Without a terminal it needs --yes. Who was kept, or is held, is not erased (exit 5).

    Examples:
      bunkerctl exp delete 4f2c1c9e-6f0e-4b8e-9d57-0f7c1a0f2b11 --yes
    """
    found = identities.parse_uuid(exptoken, "the exptoken")
    vault = call.vault(erasing=True)
    if not call.flag("yes"):
        batch.confirm(call, expirations.deletable(vault, found), "exp.delete")
    with vault.transaction() as tx:
        answer = erased(*expirations.delete(tx, found))
    batch.show_erased(call, answer)


@command(
    "exp list",
    option("--due", None, "who is due now"),
    option("--within", "DUR", "who is due within this time"),
    option("--limit", "N", "at most N"),
    answer=several(answers.EXPIRATION),
)
def list_(call: Call, due: bool, within: str | None, limit: str | None) -> None:
    """List who waits, soonest due first.

    At a terminal, bars below the list show how many fall due in each of the coming weeks.

    Examples:
      bunkerctl exp list --within 7d
    """
    from bunkerctl import deadlines

    until = call.now() if due else None
    if within is not None:
        if due:
            raise errors.Usage("--due and --within: choose one")
        until = times.after(call.now(), times.parse_duration(within))
    count = call.count("--limit", limit)
    vault = call.vault()
    found = deadlines.waiting(vault, until, count)
    rows = (_answer(call, user) for user in found)
    ahead = None if due else partial(deadlines.ahead, vault)
    whole = "`bunkerctl exp list` lists all who wait"
    hint = "`bunkerctl exp start ID` begins an expiration" if until is None else whole
    call.show_list(rows, answers.EXPIRATION, noun="person", view="exp", beside=ahead, hint=hint)


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
    from bunkerctl import sweep as sweeps

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


def _due_at(call: Call, in_: str | None, on: str | None) -> int:
    """Return when to erase; raise Invalid or Usage before the vault is opened."""
    now = call.now()
    if in_ is not None and on is not None:
        raise errors.Usage("--in and --on: choose one")
    if on is None:
        due_at = times.after(now, times.parse_duration(in_ or call.config().get("exp.grace") or ""))
    else:
        due_at = times.parse_date(on)
        if due_at <= now:
            raise errors.Invalid("--on is a date in the past", hint="`user forget` erases now")
        times.check_horizon(now, due_at)
    most = call.duration("exp.max")
    if most is not None and due_at > times.after(now, most):
        raise errors.Invalid("due later than the setting exp.max allows")
    return due_at


def _answer(call: Call, found: User | Tombstone) -> Answer:
    return answers.expiration(found, call.now(), call.overdue_before(), call.links_base())


def _changed(call: Call, found: User, changed: bool) -> Answer:
    return {**_answer(call, found), "changed": changed}
