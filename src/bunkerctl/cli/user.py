"""`user add`, `get` and `update`."""

from __future__ import annotations

from bunkerctl import errors, escapes, jsontext, users
from bunkerctl.cli.answers import Answer, single, single_or_each
from bunkerctl.cli.answers import user as answers
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import ID, IDS, argument, command, option
from bunkerctl.model import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.vault import Transaction

FIELDS = argument("fields", "FIELD=TEXT|FIELD:=JSON", "a field and its value", "many")


@command(
    "user add",
    option("--data", "FILE", "the record (JSON); `-` is standard input"),
    FIELDS,
    answer=single(answers.USER_CHANGED),
    fails=(errors.Conflict,),
)
def add(call: Call, data: str | None, fields: tuple[str, ...]) -> None:
    """Add a person, and print the new token.

    The record is a JSON object with at least one of the keys email, phone, login and custom.
    Without arguments it is read from standard input. Prefer that: arguments show in `ps` and in
    the shell's history. It is stored as given; identities are normalised for looking up alone.

    Examples:
      echo '{"email":"ann@example.com","age":41}' | bunkerctl user add
      bunkerctl user add --data ann.json --json
      bunkerctl user add login=ann newsletter:=true
    """
    record = _document(call, data, fields, "the record")
    rules = call.rules()
    users.check_record(record, rules)
    user = users.add(call.vault(), record, rules)
    if call.output.form in ("plain", "table"):
        call.line(user.token)
    else:
        call.show({**answers.user(user, call.now()), "changed": True})


@command(
    "user get",
    option("--field", "NAME", "print the value of one field"),
    IDS,
    answer=single_or_each(answers.USER, other=answers.FIELD),
    fails=(errors.Partial, errors.NotFound),
)
def get(call: Call, field: str | None, identity: str) -> None:
    """Show a person's record. Each read is an audit event, written before anything is shown.

    --field prints one value of the record: raw, unless standard output is a terminal.

    Examples:
      bunkerctl user get email:ann@example.com
      bunkerctl user get ann@example.com --field age
      cut -f1 tokens.tsv | bunkerctl user get - -o jsonl
    """

    def answer(tx: Transaction, found: Identity) -> Answer:
        user = users.get(tx, found, field)
        if field is None:
            return answers.user(user, call.now())
        return {"token": user.token, "field": field, "value": user.data[field]}

    if field is None or identity == "-":
        columns = answers.USER if field is None else answers.FIELD
        from bunkerctl.cli import batch

        view = "user" if field is None else "fields"
        batch.people(call, identity, "user.get", batch.one_by_one(answer), columns, view)
        return
    whose = call.identity(identity)
    with call.vault().transaction() as tx:
        value = answer(tx, whose)["value"]
    if call.output.form in ("json", "jsonl"):
        call.output.text(jsontext.escaped(jsontext.dumps(value)) + "\n")
    elif isinstance(value, str) and not call.output.terminal:
        call.output.text(value + "\n")
    else:
        call.output.text(escapes.cell(value) + "\n")


@command(
    "user update",
    option("--data", "FILE", "the patch (JSON); `-` is standard input"),
    option("--if-version", "N", "only if the record has this version, else exit 5"),
    ID,
    FIELDS,
    answer=single(answers.USER_CHANGED),
    fails=(errors.NotFound, errors.Conflict),
)
def update(
    call: Call, data: str | None, if_version: str | None, identity: str, fields: tuple[str, ...]
) -> None:
    """Change a person's record, wholly or not at all.

    A patch that is an object is a JSON Merge Patch (RFC 7396: null removes a field), an array is a
    JSON Patch (RFC 6902). FIELD=TEXT and FIELD:=JSON make a merge patch. Without any, the patch is
    read from standard input.

    Examples:
      bunkerctl user update login:ann newsletter:=false
      echo '{"phone":null}' | bunkerctl user update login:ann --if-version 2
    """
    from bunkerctl import patches

    whose = call.identity(identity)
    version = call.count("--if-version", if_version)
    patch = _document(call, data, fields, "the patch")
    patches.check(patch)
    user, changed = users.update(call.vault(), whose, patch, call.rules(), version)
    call.show({**answers.user(user, call.now()), "changed": changed}, "user")


def _document(call: Call, data: str | None, fields: tuple[str, ...], what: str) -> Any:
    """Return the JSON that the arguments, a file or standard input give."""
    if fields and data is not None:
        raise errors.Usage(f"{what} is given by --data and by fields: choose one")
    if not fields:
        return jsontext.loads(call.read(data or "-", jsontext.MAX_BYTES), what)
    from bunkerctl.cli import assignments

    return assignments.read(fields)
