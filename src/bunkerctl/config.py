"""Settings: a TOML file of the user's over one of the system's, over the defaults.

The settings are the table below; a key that is not in it is an error.
"""

from __future__ import annotations

import os
import stat

from bunkerctl import files, times
from bunkerctl.errors import InputOutput, Invalid
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SYSTEM_FILE = "/etc/bunkerctl/config.toml"
MAX_BYTES = 1024 * 1024
DAY_SECONDS = 86400
MOST_PARTS = 3  # of the name of a setting; more are unknown
FORMS = ("table", "plain", "json", "jsonl", "csv")
COLORS = ("auto", "always", "never")


class Setting(Value):
    """One setting: `check` takes its text and raises Invalid; `default` is text or None.

    `kind` says what it takes, in words.
    """

    kind: str
    check: Callable[[str], object]
    default: str | None
    help: str


def _text(value: str) -> str:
    if not value:
        raise Invalid("it is empty")
    return value


def _path(value: str) -> str:
    if not os.path.isabs(value):
        raise Invalid("it must be an absolute path", hint="for example /srv/people")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices:
            raise Invalid(f"it must be one of {', '.join(choices)}")
        return value

    return check


def _base(value: str) -> str:
    scheme, mark, rest = value.partition("://")
    if scheme not in ("http", "https") or not mark or not rest or set(value) & set(" ?#\n\t"):
        raise Invalid("it must be an http(s) address without query", hint="https://example.com")
    return value.rstrip("/")


def _region(value: str) -> str:
    if not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        raise Invalid("it must be two capitals, as in ISO 3166", hint="for example US or DE")
    return value


def _wait(value: str) -> times.Duration:
    return times.parse_duration(value, zero=True)


def anchors(value: str) -> dict[str, str]:
    """Return the places of `audit.anchor` by their kind: file, syslog, command.

    Raises:
        Invalid: it names something else, or a kind twice.
    """
    found: dict[str, str] = {}
    rest = value
    while rest:
        command = rest.strip().startswith("command:")
        one, rest = (rest, "") if command else rest.partition(",")[::2]
        kind, _, place = one.strip().partition(":")
        good = {"file": os.path.isabs(place), "syslog": not place, "command": bool(place.strip())}
        if not good.get(kind) or kind in found:
            raise Invalid(
                "it must be file:PATH, syslog or command:CMD",
                hint="for example file:/var/log/people.anchors,syslog",
            )
        found[kind] = place
    if not found:
        raise Invalid("it is empty")
    return found


def _patience(value: str) -> times.Duration:
    found = times.parse_duration(value)
    if found.months or found.seconds > DAY_SECONDS:
        raise Invalid("it must be a day at most")
    return found


PRIVACY = {
    "controller": "who answers for the data: name and address",
    "contact": "whom people write to: the controller, or the data protection officer",
    "purposes": "what the data are for",
    "categories": "what kinds of data they are",
    "recipients": "who gets them",
    "transfers": "to which countries outside the law's reach they go, and with what safeguards",
    "retention": "how long they are kept, or by what rule",
    "source": "where they come from, if not from the person",
    "rights": "how a person asks to have them corrected, erased, restricted, or objects",
    "authority": "which authority a complaint goes to",
    "decisions": "which decisions are made by machines alone, and by what logic",
}
"""What an export tells a person besides the data (GDPR Art. 15(1) and (2)): settings below
`privacy`, several things a line each. Where there is nothing to say, they say `none`."""

SETTINGS: dict[str, Setting] = {
    "vault": Setting(kind="path", check=_path, default=None, help="directory of the vault"),
    "output": Setting(
        kind=", ".join(FORMS), check=_one_of(*FORMS), default=None, help="form of the result"
    ),
    "color": Setting(
        kind=", ".join(COLORS), check=_one_of(*COLORS), default="auto", help="when to use colour"
    ),
    "actor": Setting(kind="text", check=_text, default=None, help="who acts, for the audit trail"),
    "lock_wait": Setting(
        kind="duration", check=_wait, default="10s", help="how long to wait for another writer"
    ),
    "key.file": Setting(kind="path", check=_path, default=None, help="file with the master key"),
    "key.command": Setting(
        kind="command", check=_text, default=None, help="command that prints the master key"
    ),
    "key.keyring_timeout": Setting(
        kind="duration of a day at most",
        check=_patience,
        default=None,
        help="how long to wait for the keyring (5s, and 2min with a person at a terminal)",
    ),
    "audit.anchor": Setting(
        kind="places",
        check=anchors,
        default=None,
        help="where each sweep and backup puts a signed checkpoint: file:PATH, syslog, command:CMD;"
        " several with commas, a command last",
    ),
    "exp.grace": Setting(
        kind="duration",
        check=times.parse_duration,
        default="30d",
        help="time from `exp start` to the erasure",
    ),
    "exp.max": Setting(
        kind="duration",
        check=times.parse_duration,
        default=None,
        help="longest time that `exp start` accepts",
    ),
    "exp.overdue_after": Setting(
        kind="duration",
        check=times.parse_duration,
        default="26h",
        help="due for longer than this is overdue",
    ),
    "links.base": Setting(
        kind="http(s) address", check=_base, default=None, help="address that the links begin with"
    ),
    "phone.region": Setting(
        kind="two capitals",
        check=_region,
        default=None,
        help="region of phone numbers without a country code",
    ),
    **{
        f"privacy.{name}": Setting(
            kind="text", check=_text, default=None, help=f"for an export: {what}"
        )
        for name, what in PRIVACY.items()
    },
    "record.schema": Setting(
        kind="path, absolute or from the settings' directory",
        check=_text,
        default=None,
        help="file with the JSON Schema 2020-12 of records; its path is relative to the settings",
    ),
}


class Config:
    """The settings of the files that were found, each with the file it comes from."""

    def __init__(self, found: dict[str, tuple[str, str]], path: str | None) -> None:
        self._found = found
        self.path = path
        """The file that `config set` writes; None without a home directory."""

    def get(self, name: str) -> str | None:
        """Return a setting's text, or its default, or None."""
        return self._found[name][0] if name in self._found else SETTINGS[name].default

    def source(self, name: str) -> str:
        return self._found[name][1] if name in self._found else "default"


def load(named: str | None, environment: Mapping[str, str]) -> Config:
    """Read the file named by the caller alone, or else the user's over the system's.

    Raises:
        Invalid: malformed TOML, an unknown key, a value that a setting does not take.
        InputOutput: a named file that is not there, or one that cannot be read.
    """
    if named is not None:
        return Config(_read(named), named)
    user = user_file(environment)
    found: dict[str, tuple[str, str]] = {}
    for path in (SYSTEM_FILE, user):
        if path and os.path.exists(path):
            found |= _read(path)
    return Config(found, user)


def user_file(environment: Mapping[str, str]) -> str | None:
    """Return where the user's settings are kept (XDG Base Directory), None without a home."""
    home = environment.get("HOME")
    base = environment.get("XDG_CONFIG_HOME")
    if not base or not os.path.isabs(base):  # the specification says to ignore a relative one
        base = home and os.path.join(home, ".config")
    return os.path.join(base, "bunkerctl", "config.toml") if base else None


def put(path: str, name: str, text: str) -> bool:
    """Write one setting into a file, made if need be; return whether it changed anything.

    Comments in the file are lost: TOML writers do not keep them.

    Raises:
        Invalid: an unknown name, or a value that the setting does not take.
    """
    import tomli_w

    from bunkerctl import placement

    check(name, text)
    tree = _tree(_content(path), path) if os.path.exists(path) else {}
    *tables, key = name.split(".")
    table = tree
    for part in tables:
        table = table.setdefault(part, {})
    if table.get(key) == text:
        return False
    table[key] = text
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    except OSError as error:
        raise files.explain(error, "write", path) from error
    real = os.path.realpath(path)
    there = os.stat(real) if os.path.exists(real) else None
    placement.write(
        real,
        [tomli_w.dumps(tree).encode()],
        force=True,
        mode=stat.S_IMODE(there.st_mode) if there else files.PRIVATE,
        owner=(there.st_uid, there.st_gid) if there else None,
    )
    return True


def check_name(name: str) -> None:
    """Raise Invalid unless this is a setting."""
    if name not in SETTINGS:
        from difflib import get_close_matches

        near = get_close_matches(name, SETTINGS, 1)
        listed = "`bunkerctl config show` lists them"
        raise Invalid("no such setting", hint=f"did you mean {near[0]}?" if near else listed)


def check(name: str, text: str) -> None:
    """Raise Invalid unless this is a setting and it takes this value."""
    check_name(name)
    try:
        SETTINGS[name].check(text)
    except Invalid as error:
        raise Invalid(f"bad value for {name}: {error.message}", hint=error.hint) from None


def _read(path: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    content = _content(path)
    from bunkerctl import tomllines  # no call without such a file needs it

    plain = tomllines.read(content)
    settings = _flat(_tree(content, path), "") if plain is None else plain.items()
    for name, value in settings:
        if name not in SETTINGS:
            raise Invalid(f"{path}: unknown setting {name}")
        if not isinstance(value, str):
            raise Invalid(f"{path}: {name} must be a string")
        try:
            check(name, value)
        except Invalid as error:
            raise Invalid(f"{path}: {error.message}", hint=error.hint) from None
        found[name] = (value, path)
    return found


def _content(path: str) -> str:
    try:
        return files.read(path, MAX_BYTES).decode("utf-8")
    except InputOutput as error:
        missing = not os.path.lexists(path)
        hint = "--config names a file that must exist" if missing else None
        raise InputOutput(error.message, hint=hint) from error
    except UnicodeDecodeError:
        raise Invalid(f"{path}: not UTF-8") from None


def _tree(content: str, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        where = str(error).rpartition("(")[2].rstrip(")")  # "at line 3, column 5", no content
        raise Invalid(f"{path}: malformed TOML ({where})") from None
    except (ValueError, RecursionError):  # a number of too many digits, brackets too deep
        raise Invalid(f"{path}: malformed TOML") from None


def _flat(table: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    if prefix.count(".") > MOST_PARTS:
        return [(prefix.rstrip("."), table)]
    flat: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in SETTINGS:
            flat += _flat(value, f"{prefix}{key}.") or [(f"{prefix}{key}", value)]
        else:
            flat.append((f"{prefix}{key}", value))
    return flat
