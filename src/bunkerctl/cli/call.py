"""One call of the program: its settings, its vault, its input and its answer."""

from __future__ import annotations

import io
import os
import pwd

from bunkerctl import config, errors, escapes, files, identities, times
from bunkerctl.cli import keysource, output
from bunkerctl.cli.shell import Shell
from bunkerctl.keys import Session
from bunkerctl.lean import nullcontext
from bunkerctl.model import Identity, Origin
from bunkerctl.vault import Surroundings, open_vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from io import BufferedIOBase
    from typing import Any

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.masks import Mask
    from bunkerctl.cli.progress import Line
    from bunkerctl.schemas import Schema
    from bunkerctl.users import Rules
    from bunkerctl.vault import Opened, Vault

PLAIN_TEXT = ("vault", "actor")
"""Settings whose options take any text: a path on the line may be relative."""


OWN_VARIABLES = ("BUNKERCTL_", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


class Call:
    """What a command asks of its surroundings. `everywhere` are the options of GLOBALS."""

    def __init__(self, shell: Shell, everywhere: dict[str, Any]) -> None:
        self.shell = shell
        self._everywhere = everywhere
        self._opened: Opened | None = None
        self._erasing = False
        self._unlocked = True
        self._config: config.Config | None = None
        self._line: Line | None = None
        self._schema: Schema | None = None
        self.changed = False
        self.output = output.Output(
            self.form(),
            shell.stdout,
            shell.stderr,
            terminal=shell.stdout.isatty(),
            color=self._color(),
            columns=shell.columns(),
            now=self.now,
            saved=self.saved,
            aside=self.aside,
        )

    # Settings: flag, environment, file, default.

    def setting(self, name: str, flag: str | None = None) -> str | None:
        """Return a setting of the files, unless an option or its variable says otherwise."""
        said = self.said(flag or name)
        if said is not None and name in PLAIN_TEXT:
            return said
        if said is not None:
            try:
                config.check(name, said)
            except errors.Invalid as error:
                raise errors.Usage(error.message, hint=error.hint) from None
            return said
        return self.config().get(name)

    def said(self, key: str) -> str | None:
        """Return what the line or the environment says of an option of GLOBALS."""
        from bunkerctl.cli.grammar import VARIABLES

        if key in self._everywhere:
            return str(self._everywhere[key])
        return self.shell.variable(VARIABLES.get(key))

    def flag(self, key: str) -> bool:
        return self.said(key) not in (None, "0")

    def config(self) -> config.Config:
        if self._config is None:
            named = self.said("config")
            self._config = config.load(named, self.shell.environment)
        return self._config

    def typed(self, key: str) -> str | None:
        """Return what the line alone says of an option of GLOBALS."""
        value: str | None = self._everywhere.get(key)
        return value

    def take(self, key: str) -> str | None:
        """Return what the line says of an option of GLOBALS, which then means no more."""
        taken: str | None = self._everywhere.pop(key, None)
        return taken

    def duration(
        self, name: str, flag: str | None = None, *, zero: bool = True
    ) -> times.Duration | None:
        text = self.setting(name, flag)
        return None if text is None else times.parse_duration(text, zero=zero)

    def region(self) -> str | None:
        return self.config().get("phone.region")

    def schema(self) -> Schema | None:
        """Return the schema that `record.schema` names, relative to the settings it stands in."""
        if self._schema is not None:
            return self._schema
        settings = self.config()
        named = settings.get("record.schema")
        if named is None:
            return None
        from bunkerctl import schemas

        beside = os.path.dirname(os.path.abspath(settings.source("record.schema")))
        self._schema = schemas.read(os.path.join(beside, named))
        return self._schema

    def rules(self) -> Rules:
        """Return what a record must be; raise Invalid if the schema itself is not good."""
        from bunkerctl.users import Rules

        schema = self.schema()
        if schema is not None:
            self.mask()
            schema.compiled()
        return Rules(region=self.region(), schema=schema)

    def mask(self) -> Mask:
        """Return how a listing shows records; raise Invalid if the schema says it wrongly."""
        from bunkerctl.cli import masks

        schema = self.schema()
        return masks.Mask() if schema is None else masks.of_schema(schema)

    def links_base(self) -> str | None:
        """Return what links begin with, without a slash at its end."""
        base = self.config().get("links.base")
        return base and base.rstrip("/")

    def overdue_before(self) -> int:
        """Return the latest due time that is overdue now."""
        return times.before(self.now(), self.overdue_after()) - 1

    def overdue_after(self) -> times.Duration:
        return times.parse_duration(self.config().get("exp.overdue_after") or "")

    def form(self) -> str:
        """Return the form of the result; a table for a person, plain for a pipe."""
        form = self.setting("output")
        if self.flag("json"):
            if self._everywhere.get("output", "json") != "json":
                raise errors.Usage("--json and another --output")
            return "json"
        return form or ("table" if self.shell.stdout.isatty() else "plain")

    def attended(self) -> bool:
        return self.shell.attended() and not self.flag("no_input")

    def directory(self) -> str:
        """Return the vault's directory."""
        named = self.setting("vault")
        if named:
            return os.path.abspath(named)
        home = self.shell.environment.get("HOME")
        base = self.shell.environment.get("XDG_DATA_HOME")
        if base and not os.path.isabs(base):  # the specification says to ignore it
            base = None
        if not base and not home:
            raise errors.Usage("there is no home directory", hint="name the vault: --vault DIR")
        base = base or os.path.join(home or "", ".local", "share")
        return os.path.join(base, "bunkerctl", "default")

    def origin(self) -> Origin:
        os_user = _os_user()
        return Origin(
            actor=self.setting("actor") or _login_name() or os_user,
            os_user=os_user,
            uid=os.getuid(),
            host=os.uname().nodename,
            reason=self.said("reason"),
            ref=self.said("ref"),
        )

    # The vault.

    def vault(self, *, erasing: bool = False) -> Vault:
        """Return the vault, opened at the first time; on a full disk too, if to be `erasing`."""
        return self.opened(erasing=erasing).vault

    def opened(self, *, alone: bool = False, erasing: bool = False) -> Opened:
        """Return the vault with its key, opened at the first time; with nobody else, if `alone`."""
        if self._opened is None:
            from bunkerctl import opening

            directory, surroundings = self.directory(), self.surroundings()
            given = keysource.given(self)
            self._erasing = erasing
            self._opened = opening.open_(
                directory, given, surroundings, alone=alone, erasing=erasing
            )
            self.debug(f"vault {directory}, key from {self._opened.route.source}")
        return self._opened

    def reopened_alone(self) -> Opened:
        """Close the vault, and open it again with nobody else in it."""
        self.close()
        self._opened = None
        return self.opened(alone=True)

    def once_more(self) -> Vault:
        """Return the vault opened once more, for another process."""
        opened = self.opened()
        vault = opened.vault
        return open_vault(vault.directory, vault.header, opened.master, self.surroundings())

    def surroundings(self) -> Surroundings:
        """Return what a vault is opened in."""
        return Surroundings(
            origin=self.origin(),
            session=self.session(),
            lock_wait=self.lock_wait(),
            clock=self.shell.clock,
        )

    def session(self) -> Session:
        """Return the login session that a keyring would be asked in."""
        wait = self.duration("key.keyring_timeout", "keyring_timeout", zero=False)
        return Session(
            environment=self.shell.environment,
            attended=self.attended(),
            seconds=None if wait is None else _seconds(wait),
            tell=self.note,
            owner=_owner(self.directory()) if os.geteuid() == 0 else None,
            unlocked=self._unlocked and keysource.named(self) is None,
        )

    def without_unlocked(self) -> None:
        """Ask the key's own place, whatever `unlock` has kept."""
        self._unlocked = False

    def as_job(self) -> Call:
        """Return this call as cron would make it: a bare environment, and nobody there to ask."""
        given = self.shell.environment
        environment = {
            "HOME": given.get("HOME") or os.path.expanduser("~"),
            "LOGNAME": _os_user(),
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
            **{name: given[name] for name in sorted(given) if name.startswith(OWN_VARIABLES)},
        }
        stdin, stdout, stderr = io.BytesIO(), self.shell.stdout, self.shell.stderr
        shell = Shell(stdin, stdout, stderr, environment, self.shell.clock)
        job = Call(shell, self._everywhere)
        job.without_unlocked()
        return job

    def variables(self) -> list[str]:
        """Return the variables that are set and that decide which vault and which settings."""
        return [name for name in self.shell.environment if name.startswith(OWN_VARIABLES)]

    def anchor(self) -> None:
        """Put a checkpoint where `audit.anchor` says; tell what went wrong, --quiet or not."""
        said = self.config().get("audit.anchor")
        if said is None:
            return
        from bunkerctl import checkpoints

        environment = self.shell.environment
        for problem in checkpoints.anchor(self.vault(), config.anchors(said), environment):
            self.warn(f"warning: {problem}")

    def lock_wait(self) -> float:
        wait = self.duration("lock_wait")
        return 0.0 if wait is None else _seconds(wait)

    def now(self) -> int:
        return int(self.shell.clock())

    def close(self) -> None:
        if self._opened is not None:
            from bunkerctl import opening

            opening.close(self._opened.vault, erasing=self._erasing)

    def saved(self) -> bool:
        """Tell whether this call has changed the vault for good."""
        return self.changed or (self._opened is not None and self._opened.vault.saved)

    # Input.

    def identity(self, text: str) -> Identity:
        """Read an ID argument; raise Usage for one that has not its kind's form."""
        try:
            return identities.parse(text, self.region())
        except errors.Invalid as error:
            raise errors.Usage(error.message, hint=error.hint) from None

    def number(self, name: str, text: str) -> int:
        """Read a positive number; raise Usage."""
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
            raise errors.Usage(f"{name} must be a number from 1 on")
        return int(text)

    def count(self, name: str, text: str | None) -> int | None:
        return None if text is None else self.number(name, text)

    def moment(self, text: str | None) -> int | None:
        """Read a date, or a duration that means that long ago."""
        return None if text is None else times.parse_moment(text, self.now())

    def stdin(self) -> BufferedIOBase:
        if self.shell.stdin.isatty():
            self.note("reading standard input; end it with Ctrl-D")
        return self.shell.stdin

    def read(self, path: str, limit: int) -> bytes:
        """Read a file, or standard input for `-`: no more than one byte over `limit`."""
        if path == "-":
            return self.stdin().read(limit + 1)
        return files.read(self.path(path), limit)

    def read_end(self, path: str, limit: int) -> bytes:
        """Read the last bytes of a file, up to `limit`, or standard input for `-`."""
        if path == "-":
            return self.stdin().read(limit)
        try:
            with open(self.path(path), "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
                return file.read(limit)
        except OSError as error:
            raise files.explain(error, "read", path) from error

    def path(self, text: str) -> str:
        """Return the path of a file to read; raise Usage for JSON, which must not be repeated."""
        if text[:1] in ("{", "["):
            raise errors.Usage("JSON in place of a file", hint="pipe it to standard input")
        return text

    # The answer.

    def show(
        self, answer: Answer, view: str = "fields", *, beside: Callable[[], Any] | None = None
    ) -> None:
        self.output.one(answer, view, beside)

    def line(self, text: str | None) -> None:
        """Write one value by itself."""
        self.output.text(escapes.safe(text or "") + "\n")

    def deliver(
        self,
        chunks: Iterable[bytes],
        path: str | None,
        *,
        force: bool,
        keys: list[Any] | None = None,
    ) -> None:
        """Write an export as it comes: into a file (0600), or to standard output.

        With `keys` it is encrypted for whoever has one of them.
        """

        def put(write: Callable[[bytes], object]) -> None:
            if keys is None:
                for chunk in chunks:
                    write(chunk)
            else:
                from bunkerctl import sealing

                sealing.seal(chunks, write, keys)

        if path is None:
            put(self.output.raw)
        else:
            from bunkerctl import placement

            placement.fill(path, put, force=force)
            self.note("written")

    def show_list(
        self, answers: Any, columns: Collection[str], *, hint: str | None = None, **how: Any
    ) -> None:
        """Write a list, as `Output.many` does; `hint` is for a person where it is empty."""
        empty = True

        def seen() -> Iterator[Any]:
            nonlocal empty
            for answer in answers:
                empty = False
                yield answer

        self.output.many(answers if hint is None else seen(), columns, **how)
        if hint is not None and empty and self.output.terminal:
            self.note(hint)

    def note(self, text: str) -> None:
        """Say something on standard error, unless --quiet."""
        if not self.flag("quiet"):
            self.warn(text)

    def debug(self, text: str) -> None:
        if self.flag("debug"):
            self.warn(f"debug: {text}")

    def warn(self, text: str) -> None:
        """Say something on standard error, --quiet or not."""
        if self.output.terminal:
            self.output.flush()  # what came before it is seen before it
        with self.aside():
            output.tell(self.shell.stderr, text)

    def progress(
        self, hint: str, *, came: Callable[[], str | None] | None = None, shown: bool = True
    ) -> Line:
        """Return a block for what may last: it gets a `Progress`, to be shown to a person.

        If it is interrupted, `hint` says how to go on, and `came` how far it came, if the progress
        does not.
        """
        from bunkerctl.cli.progress import Line

        seen = shown and self.shell.animated() and not self.flag("quiet")
        self._line = Line(self.shell.stderr, hint, came, shown=seen)
        return self._line

    def streams(self) -> bool:
        """Tell whether a list comes out at a terminal as it is made: progress would be in it."""
        return self.output.terminal and self.output.form != "table"

    def aside(self) -> AbstractContextManager[None]:
        """Return a block in which no progress is drawn: for something else on the terminal."""
        return self._line.aside() if self._line is not None else nullcontext()

    def confirmed(self, question: str, answer: str) -> bool:
        """Tell whether a person agrees: by --yes, or by typing `answer`."""
        if self.flag("yes"):
            return True
        if not self.attended():
            return False
        return self.ask(question) == answer

    def ask(self, question: str) -> str:
        """Ask the person at the terminal for a line; "" at its end."""
        self.shell.stderr.write(f"{question}: ".encode())
        self.shell.stderr.flush()
        return self.shell.stdin.readline(1000).decode("utf-8", "replace").strip()

    def tell(self, text: str) -> None:
        """Show a person at the terminal some lines, --quiet or not: it was asked for."""
        self.shell.stderr.write(text.encode())
        self.shell.stderr.flush()

    def _color(self) -> bool:
        """Flag, NO_COLOR (https://no-color.org), file, and then whether a terminal has colours."""
        environment = self.shell.environment
        if self.said("color") is None and environment.get("NO_COLOR"):
            return False
        when = self.setting("color")
        if when == "auto":
            return self.shell.stdout.isatty() and environment.get("TERM") != "dumb"
        return when == "always"


def _owner(directory: str) -> tuple[int, int] | None:
    try:
        found = os.stat(directory)
    except OSError:
        return None
    return found.st_uid, found.st_gid


def _seconds(duration: times.Duration) -> float:
    return float(duration.months * 30 * 86400 + duration.seconds)


def _os_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _login_name() -> str | None:
    """Return who logged in at this terminal: behind sudo still the admin."""
    try:
        return os.getlogin()
    except OSError:
        return None
