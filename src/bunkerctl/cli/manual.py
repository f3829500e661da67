"""The texts of the manual that are not of one command: prose by hand, completed from the tables.

They lie in prose/, a file a topic, whose first line is `page(section) - what it is`. Then
paragraphs: a line of capitals is a heading, `# words` a lesser one, `TERM :: meaning` an item of a
list, indented lines are shown as they are, and a name in braces stands for what a table says. The
man pages are made of the same texts (tools/manpages.py).
"""

from __future__ import annotations

import os
import textwrap

from bunkerctl import config
from bunkerctl.cli import grammar, help, schemas
from bunkerctl.cli.answers import Fields, Schema, Shape
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROSE = os.path.join(os.path.dirname(__file__), "prose")
TOPICS = ("identities", "import", "keys", "config", "json", "exit-codes")
MOST_DIFFERENCES = 3


class Page(Value):
    """A text of the manual: `blocks` are its paragraphs."""

    name: str
    section: int
    about: str
    blocks: list[Block]


class Block(Value):
    """A paragraph; `kind` is heading, subheading, item, code or text. An item has a `term`."""

    kind: str
    term: str
    lines: list[str]


def page(topic: str) -> Page:
    """Return the text of one of TOPICS."""
    with open(os.path.join(PROSE, f"{topic}.txt"), encoding="utf-8") as file:
        title, *lines = file.read().splitlines()
    name, _, about = title.partition(" - ")
    return Page(
        name=name.partition("(")[0],
        section=int(name.partition("(")[2].rstrip(")")),
        about=about,
        blocks=list(blocks(lines)),
    )


def blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Yield the paragraphs of a text, with what the tables say in place of names in braces."""
    for paragraph in paragraphs(lines):
        first, *more = paragraph
        term, mark, meaning = first.partition(" :: ")
        table = _TABLES.get(first)
        if table is not None:
            yield from blocks(table())
        elif first.isupper() and not more:
            yield Block(kind="heading", term="", lines=[first])
        elif first.startswith("# "):
            yield Block(kind="subheading", term="", lines=[first.removeprefix("# ")])
        elif first.startswith(" "):
            yield Block(kind="code", term="", lines=paragraph)
        elif mark:
            yield Block(kind="item", term=term, lines=[meaning, *more])
        else:
            yield Block(kind="text", term="", lines=paragraph)


def paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    paragraph: list[str] = []
    for line in lines:
        if line.strip():
            paragraph.append(line.rstrip())
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def text(topic: str) -> str:
    """Return one of TOPICS as a terminal shows it."""
    found = page(topic)
    shown = [f"{found.name}({found.section}) - {found.about}"]
    for block in found.blocks:
        if block.kind == "heading":
            shown.append(block.lines[0])
        elif block.kind == "code":
            shown.append("\n".join("  " + line for line in block.lines))
        elif block.kind == "item":
            shown.append(f"  {block.term}\n{_filled(block.lines, 6)}")
        else:
            shown.append(_filled(block.lines, 2))
    return "\n\n".join(shown) + "\n"


def topics() -> str:
    """Return what `help` alone prints."""
    pages = [(topic, page(topic).about) for topic in TOPICS]
    return (
        "Usage: bunkerctl help TOPIC | COMMAND\n\nTopics:\n"
        + help.rows(pages)
        + "\n\n`bunkerctl --help` lists the commands, `bunkerctl help user add` shows one.\n"
    )


def _filled(lines: list[str], margin: int) -> str:
    return textwrap.fill(
        " ".join(lines),
        help.WIDTH,
        initial_indent=" " * margin,
        subsequent_indent=" " * margin,
        break_on_hyphens=False,
        break_long_words=False,
    )


# What the tables say.


def _exit_codes() -> list[str]:
    rows = []
    for code, names, meaning in help.exit_codes():
        rows += [f"{code} :: {meaning}" + (f" [{names}]" if names else ""), ""]
    return rows


def _settings() -> list[str]:
    rows = []
    for name, setting in config.SETTINGS.items():
        default = "none" if setting.default is None else setting.default
        rows += [f"{name} :: {setting.kind}; default: {default}. {_sentence(setting.help)}", ""]
    return rows


def _error() -> list[str]:
    return list(_items({**schemas.ERROR, **schemas.ERROR_MORE}, ""))


def _answers() -> list[str]:
    rows: list[str] = []
    told: dict[str, Fields] = {}
    for words, command in grammar.load_all().items():
        if command.answer is not None:
            name = " ".join(words)
            rows += [f"# {name}", "", *_answer(command.answer, told)]
            told[name] = command.answer.fields
    return rows


_TABLES = {
    "{answers}": _answers,
    "{error}": _error,
    "{exit-codes}": _exit_codes,
    "{settings}": _settings,
}


def _answer(shape: Shape, told: dict[str, Fields]) -> Iterator[str]:
    """Yield the fields of an answer; those that another command has, by that command's name."""
    what = {"one": "An object", "many": "A list of objects", "each": "An object, or for - a list"}
    fields = shape.fields
    near = _nearest(fields, told)
    if near is None:
        yield f"{what[shape.count]}:"
        yield ""
        yield from _items(fields, "")
    else:
        missing = [name for name in told[near] if name not in fields]
        more = {name: field for name, field in fields.items() if name not in told[near]}
        without = f", without {' and '.join(missing)}" if missing else ""
        yield f"{what[shape.count]} as of `{near}`{without}{', and:' if more else '.'}"
        yield ""
        yield from _items(more, "")
    if shape.optional:
        yield from ("And where there is something to say:", "")
        yield from _items(shape.optional, "")
    if shape.other:
        yield from ("Or an object:", "")
        yield from _items(shape.other, "")


def _nearest(fields: Fields, told: dict[str, Fields]) -> str | None:
    """Return the command whose fields are most like these, if there is one that is near."""
    distances = {
        name: len(fields.keys() ^ other.keys())
        for name, other in told.items()
        if all(fields[field] == other[field] for field in fields.keys() & other.keys())
    }
    name = min(distances, key=lambda name: distances[name], default=None)
    near = name is not None and distances[name] <= min(MOST_DIFFERENCES, len(told[name]) // 2)
    return name if near else None


def _items(fields: Fields, before: str) -> Iterator[str]:
    for name, (schema, meaning) in fields.items():
        yield f"{before}{name} :: {kind(schema)}: {meaning}."
        yield ""
        yield from _parts(schema, before + name, meaning)


def _parts(schema: Schema, name: str, meaning: str) -> Iterator[str]:
    """Yield the fields of an object within an answer, unless a command is named that has them."""
    inner = schema.get("items", schema)
    if "properties" in inner and not meaning.count("as `"):
        fields: Fields = {
            part: ({k: v for k, v in said.items() if k != "description"}, said["description"])
            for part, said in inner["properties"].items()
        }
        yield from _items(fields, f"{name}.")


def kind(schema: Schema) -> str:
    """Return in a few words what kind of value a schema asks for."""
    types = schema.get("type", [])
    null = " or null" if "null" in types else ""
    type_ = types if isinstance(types, str) else next(iter(types), "any JSON")
    if "const" in schema:
        return "true"
    if "enum" in schema:
        return ", ".join(value for value in schema["enum"] if value) + null
    if type_ == "array":
        return f"list of {kind(schema['items'])}{null}"
    words = {
        "boolean": "true or false",
        "integer": "number",
        "string": {"uuid": "UUID", "date-time": "time"}.get(schema.get("format", ""), "text"),
    }
    if schema.get("pattern", "").startswith("^[0-9a-f]{"):
        return f"{schema['pattern'].split('{')[1].split('}')[0]} hexadecimal digits{null}"
    return words.get(type_, type_) + null


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
