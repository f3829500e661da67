"""`key status`, `key test`, `key enroll` and `key rotate`."""

from __future__ import annotations

from bunkerctl import custody, enrolment, errors, rotation
from bunkerctl.cli import codes, keysource
from bunkerctl.cli.answers import key as answers
from bunkerctl.cli.answers import single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command, option
from bunkerctl.directory import read_header
from bunkerctl.keys import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Vault

PLACES = ("file", "keyring", "systemd-credential")


@command("key status", answer=single(answers.CUSTODY))
def status(call: Call) -> None:
    """Show where the key comes from, and whether it is this vault's; never the key.

    Nothing is opened and no dialog appears: a keyring that is locked is told to be locked.
    `copies` are the other places that `key enroll` has put it, `rotating` says that a rotation
    was cut off: the next command finishes it or takes it back.

    Examples:
      bunkerctl key status
      bunkerctl key status --json | jq .match
    """
    found = custody.look(call.directory(), keysource.given(call), call.session())
    call.show(answers.custody(call.directory(), found))
    if found.problem is not None:
        call.note(found.problem.message)
    elif not found.matches():
        call.note("the key that is there is not this vault's")


@command("key test", answer=single(answers.TESTED))
def test(call: Call) -> None:
    """Try what a job of cron would see: open the vault with nobody there to ask.

    The job has HOME, LOGNAME, SHELL and PATH, as cron gives them, the options of this line, and
    those variables that name the vault, the settings or the key; they are told, for the crontab
    needs them too.
    It fails as the job would, with its exit code.

    Examples:
      bunkerctl key test
      bunkerctl key test --key-file ~/.config/bunkerctl/sweep.key
    """
    job = call.as_job()
    try:
        opened = job.opened()
        call.show(answers.tested(opened, job.variables()))
    finally:
        job.close()
    if job.variables():
        call.note(f"set in this shell, and to be set for the job: {', '.join(job.variables())}")


@command(
    "key enroll",
    option("--default", None, "take the key from there from now on, if nothing else is said"),
    option("--replace", None, "replace another key that is there"),
    argument("kind", "KIND", "what kind of place", choices=PLACES),
    argument(
        "path", "PATH", "the file, or the credential's (/etc/credstore.encrypted/...)", "optional"
    ),
    answer=single(answers.ENROLLED),
    fails=(errors.Conflict,),
)
def enroll(call: Call, default: bool, replace: bool, kind: str, path: str | None) -> None:
    """Put the key in one more place, so that a job has a route of its own.

    `file PATH` makes a key file (0600); `keyring` puts it into the keyring of this login;
    `systemd-credential` encrypts it for this machine, for LoadCredentialEncrypted= in a unit.
    The vault remembers the place, and `key rotate` renews the key there; a credential is to be
    enrolled anew. A place that has another key is left as it is (exit 5), but for --replace.

    Examples:
      bunkerctl key enroll file ~/.config/bunkerctl/sweep.key
      bunkerctl key enroll keyring --default
      bunkerctl --vault /srv/people key enroll systemd-credential
    """
    route = _place(call, kind, path)
    if default and route is not None and route.source == "credential":
        raise errors.Usage("a credential is for one unit: it cannot be the vault's own source")
    opened = call.opened(alone=True)
    done = enrolment.enroll(
        opened, route or keysource.keyring(call), call.session(), default=default, replace=replace
    )
    call.changed = done.changed
    call.show(answers.enrolled(opened.vault, done))


@command(
    "key rotate",
    option("--recovery-file", "FILE", "write the new recovery code there (0600)"),
    option("--no-recovery", None, "make no recovery code"),
    option("--skip-unreachable", None, "let a place that cannot be reached keep the old key"),
    answer=single(answers.ROTATED),
    fails=(errors.Conflict, errors.Declined),
)
def rotate(
    call: Call, recovery_file: str | None, no_recovery: bool, skip_unreachable: bool
) -> None:
    """Give the vault a new key, and encrypt the whole database anew.

    Every place that the vault knows of gets the new key; other commands wait meanwhile. It can be
    killed at any moment: the next command finishes it, or takes it back. Older copies of the
    vault's files then open with no key that is kept here; a copy of the old key elsewhere, or the
    former recovery code, still opens them: destroy those. The recovery code is a new one.

    Examples:
      bunkerctl key rotate
      bunkerctl key rotate --recovery-file /media/safe/people.code
    """
    codes.check(call, recovery_file, no_recovery)
    opened = call.opened(alone=True)
    surroundings = call.surroundings()
    vault, skip = opened.vault, skip_unreachable
    line = call.progress("`bunkerctl key status` says more", came=lambda: _came(vault))
    with (
        line as progress,
        rotation.planned(opened, surroundings, skip_unreachable=skip, progress=progress) as plan,
    ):
        with line.aside():
            code = codes.offered(call, recovery_file, no_recovery)
        done = rotation.carry_out(plan, code, recovery_file, surroundings, progress)
    call.changed = True
    call.show(answers.rotated(opened.vault.directory, plan, done, recovery_file))
    _tell_of_old_copies(call, plan, done, code, no_recovery)


def _came(vault: Vault) -> str:
    """Say what an interrupted rotation has left."""
    header = read_header(vault.directory)
    if header.succession is not None:
        return "the next command finishes the rotation, or takes it back"
    if header.key_id == vault.header.key_id:
        return "the key is the old one, and whole"
    return "the key is rotated, and whole"


def _tell_of_old_copies(
    call: Call, plan: rotation.Plan, done: rotation.Rotated, code: str | None, no_recovery: bool
) -> None:
    call.note(
        "older copies of the vault's files open with no key that is kept here; destroy the former "
        "recovery code and other copies of the old key, which still open them"
    )
    for place in (*plan.stale, *done.left):
        call.note(f"not renewed: {place.words()}; `key enroll --replace` puts the new key there")
    for place in plan.gone:
        call.note(f"no longer there, and forgotten: {place.words()}")
    if code is None and not no_recovery:
        call.note(codes.NONE)


def _place(call: Call, kind: str, path: str | None) -> Route | None:
    """Return the place to enroll; None for the keyring, which is asked later."""
    if kind == "keyring" and path is None:
        return None
    if kind == "file" and path:
        return keysource.file(path)
    if kind == "systemd-credential" and path != "":
        from bunkerctl.keys import credential

        place = keysource.file(path or credential.STORE).place
        return Route(source="credential", place=place)
    raise errors.Usage(
        "enroll takes `file PATH`, `keyring` or `systemd-credential [PATH]`",
        hint="bunkerctl key enroll --help",
    )
