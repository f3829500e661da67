"""What the law wants a person to be told besides the data (GDPR Art. 15(1) and (2)).

The controller says it in the settings below `privacy`; what it has not said is named as missing.
"""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.config import PRIVACY
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bunkerctl.exports import Person

SCHEMA = "bunkerctl.article15/1"
ARTICLES = {
    "controller": "15(1)",
    "contact": "15(1)",
    "purposes": "15(1)(a)",
    "categories": "15(1)(b)",
    "recipients": "15(1)(c)",
    "transfers": "15(2)",
    "retention": "15(1)(d)",
    "source": "15(1)(g)",
    "rights": "15(1)(e)",
    "authority": "15(1)(f)",
    "decisions": "15(1)(h)",
}
RIGHTS = (
    "to have wrong data corrected (Article 16)",
    "to have the data erased (Article 17)",
    "to have their use restricted (Article 18)",
    "to get them in a form that machines read, and take them elsewhere (Article 20)",
    "to object to their use (Article 21)",
    "to complain to a supervisory authority (Article 77)",
)
"""What everybody may ask for, whatever the settings say; each under its article's conditions."""


class Notice(Value):
    """What a person is told: `said` by name of PRIVACY, a line an item; `missing` are the rest."""

    said: dict[str, list[str]]
    missing: list[str]


def notice(setting: Callable[[str], str | None]) -> Notice:
    """Return what the settings say; `setting` takes a setting's name."""
    said = {name: _lines(setting(f"privacy.{name}")) for name in PRIVACY}
    return Notice(said=said, missing=[f"privacy.{name}" for name in PRIVACY if not said[name]])


def document(told: Notice, found: Person) -> dict[str, Any]:
    """Return a notice for one person, with what is known of it alone, as JSON."""
    due_at = found.user.due_at()
    facts: dict[str, dict[str, Any]] = {
        "retention": {
            "due_at": None if due_at is None else times.text(due_at),
            "expstatus": found.user.expstatus(),
            "held": found.user.held(found.at),
        },
        "rights": {"by_law": list(RIGHTS)},
    }
    return {
        "schema": SCHEMA,
        "law": "Regulation (EU) 2016/679 (GDPR), Article 15",
        "token": found.user.token,
        "exported_at": times.text(found.at),
        **{
            name: {"article": article, "said": told.said[name] or None, **facts.get(name, {})}
            for name, article in ARTICLES.items()
        },
        "missing": told.missing,
    }


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
