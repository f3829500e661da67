"""`config show`, `get`, `set` and `path`."""

from __future__ import annotations

from bunkerctl import config, errors
from bunkerctl.cli.answers import config as answers
from bunkerctl.cli.answers import several, single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command


@command("config show", answer=several(answers.SETTING))
def show(call: Call) -> None:
    """List every setting, its value, and the file it comes from.

    Options and environment variables, which win over files, are not shown.

    Examples:
      bunkerctl config show
    """
    settings = call.config()
    rows = [
        {"name": name, "value": settings.get(name), "source": settings.source(name)}
        for name in config.SETTINGS
    ]
    call.show_list(rows, answers.SETTING, noun="setting")


@command(
    "config get",
    argument("name", "NAME", "a setting, like exp.grace"),
    answer=single(answers.SETTING),
)
def get(call: Call, name: str) -> None:
    """Print the value of one setting; nothing if it has none.

    Examples:
      bunkerctl config get exp.grace
    """
    settings = call.config()
    config.check_name(name)
    value = settings.get(name)
    if call.output.form in ("plain", "table"):
        call.line(value)
    else:
        call.show({"name": name, "value": value, "source": settings.source(name)})


@command(
    "config set",
    argument("name", "NAME", "a setting, like exp.grace"),
    argument("value", "VALUE", "its new value"),
    answer=single(answers.SET),
)
def set_(call: Call, name: str, value: str) -> None:
    """Write one setting into the user's file, or into the one that --config names.

    Comments in that file are lost.

    Examples:
      bunkerctl config set exp.grace 45d
      bunkerctl config set links.base https://example.com/privacy
    """
    path = _path(call)
    changed = config.put(path, name, value)
    call.changed = changed
    call.show({"name": name, "value": value, "path": path, "changed": changed})


@command("config path", answer=single(answers.PATH))
def path(call: Call) -> None:
    """Print the path of the file that `config set` writes.

    Examples:
      bunkerctl config path
    """
    found = _path(call)
    if call.output.form in ("plain", "table"):
        call.line(found)
    else:
        call.show({"path": found})


def _path(call: Call) -> str:
    found = call.config().path
    if found is None:
        raise errors.Usage("there is no home directory", hint="name the file: --config FILE")
    return found
