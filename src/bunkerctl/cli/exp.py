"""`exp start`, `status`, `cancel`, `retain` and `delete`."""

from __future__ import annotations

from bunkerctl import errors, expirations, identities, times
from bunkerctl.cli import batch
from bunkerctl.cli.answers import Answer, single, single_or_each
from bunkerctl.cli.answers import exp as answers
from bunkerctl.cli.answers.user import ERASED, erased
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import IDS, argument, command, option
from bunkerctl.model import Identity, Tombstone, User

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        return standing(call, expirations.status(tx, found))

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


def standing(call: Call, found: User | Tombstone) -> Answer:
    """Return the answer that says how a person stands."""
    return answers.expiration(found, call.now(), call.overdue_before(), call.links_base())


def _changed(call: Call, found: User, changed: bool) -> Answer:
    return {**standing(call, found), "changed": changed}
