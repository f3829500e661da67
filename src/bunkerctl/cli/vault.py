"""`init`, `status` and `destroy`."""

from __future__ import annotations

from bunkerctl import destruction, errors, times
from bunkerctl import status as statuses
from bunkerctl.cli import codes, keysource
from bunkerctl.cli.answers import single
from bunkerctl.cli.answers import vault as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option
from bunkerctl.directory import check_outside, read_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.deadlines import Ahead
    from bunkerctl.vault import Vault


@command(
    "init",
    option("--recovery-file", "FILE", "write the recovery code there (0600), and show it nowhere"),
    option("--no-recovery", None, "make no recovery code"),
    answer=single(answers.CREATED),
    fails=(errors.Conflict, errors.Declined),
)
def init(call: Call, recovery_file: str | None, no_recovery: bool) -> None:
    """Make a new vault, with a new random 256-bit master key.

    The key goes into the OS keyring, and is read back before anything else is written; with
    --key-file FILE it goes into that file (0600), and a key file that exists is used as it is.
    At a terminal a recovery code is shown once, and its last group is to be typed back; it is for
    the day the key is lost. A vault that is there is never touched: exit 5.

    Examples:
      bunkerctl init
      bunkerctl init --key-file /root/people.key --recovery-file people.code
    """
    from bunkerctl import creation

    directory = call.directory()
    place = keysource.for_init(call)
    if place.source == "file":
        check_outside(directory, place.place, "key file")
    creation.check_free(directory)
    code = codes.offered(call, recovery_file, no_recovery)
    header = creation.create(
        directory, place, call.surroundings(), code=code, recovery_file=recovery_file
    )
    call.changed = True
    call.show(answers.header(directory, header))
    if code is None and not no_recovery:
        call.note(codes.NONE)
    if call.output.terminal:
        call.note('next: echo \'{"email":"ann@example.com"}\' | bunkerctl user add')


@command(
    "status",
    option("--check", None, "for monitoring: exit 8 if the sweep is stale or somebody is overdue"),
    option("--max-age", "DUR", f"how old the last sweep may be for --check ({statuses.MAX_AGE})"),
    answer=single(answers.STATUS),
    fails=(errors.Overdue,),
)
def status(call: Call, check: bool, max_age: str | None) -> None:
    """Show the vault in a few numbers.

    `due` and `overdue` leave out who is held. It names nobody, so it is no audit event.
    At a terminal, bars show how many fall due in each of the coming weeks.

    Examples:
      bunkerctl status
      bunkerctl status --check --max-age 2d
    """
    age = times.parse_duration(max_age or statuses.MAX_AGE)
    overdue_before = call.overdue_before()
    opened = call.opened()
    vault = opened.vault
    found = statuses.read(vault, overdue_before, opened.route.source)
    call.show(answers.status(found), "vault", beside=lambda: _ahead(vault))
    if check and (overdue := statuses.check(found, vault.now(), age)):
        raise overdue


@command(
    "destroy",
    option("--confirm", "ID", "the id of the vault, instead of typing it"),
    answer=single(answers.DESTROYED),
    fails=(errors.Held, errors.Declined),
)
def destroy(call: Call, confirm: str | None) -> None:
    """End a vault for good: its key, its database and its ledger.

    It asks for the vault's id, which `status` shows; --yes is not enough. Nobody in it may be
    under a legal hold. The key goes first; a call that was killed is finished by the next one.
    What copies may remain is said.

    Examples:
      bunkerctl destroy
      bunkerctl destroy --confirm 5d1c8f0e-4a43-4a39-9f7b-0d1a5b2f9a10
    """
    directory = call.directory()
    header = read_header(directory)
    opened = None if header.ending else call.opened()
    users = destruction.check_may_end(opened.vault) if opened else None
    whose = "" if users is None else f" (people: {users})"
    question = f"Destroy {directory}{whose}? Type the vault's id"
    said = confirm or (call.ask(question) if call.attended() else "")
    if said != header.vault_id:
        declined = errors.Declined(
            "not confirmed: nothing was destroyed",
            hint="type the vault's id, which vault.json has, or pass --confirm ID",
        )
        raise opened.vault.refused(destruction.ACTION, declined) if opened else declined
    if opened:
        opened = call.reopened_alone()  # who was asked at the terminal did not keep others out
        users = destruction.check_may_end(opened.vault)
        done = destruction.destroy(opened.vault, opened.route, call.session())
    else:
        done = destruction.go_on(directory, header, call.session(), call.lock_wait())
    call.changed = True
    call.show(answers.destroyed(done, users))


def _ahead(vault: Vault) -> Ahead:
    from bunkerctl import deadlines

    return deadlines.ahead(vault)
