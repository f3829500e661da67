"""The texts for people: each link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("contrib/**/*.md")])
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(text: str) -> list[str]:
    """Return where the links of a text lead."""
    return LINK.findall(CODE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the names of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def broken(text: Path, content: str) -> list[str]:
    """Return the links within the repository that lead nowhere."""
    found = []
    for link in links(content):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (text.parent / parts.path).resolve()
        if not (target.is_relative_to(ROOT) and target.exists()):
            found.append(link)
        elif parts.fragment:
            there = target.read_text("utf-8") if parts.path else content
            found += [link] * (parts.fragment not in anchors(there))
    return found


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(text: Path) -> None:
    assert broken(text, text.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "link", ["nowhere.md", "README.md#nowhere", "#nowhere", "../elsewhere", "docs/../nowhere"]
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert broken(ROOT / "README.md", f"# Here\n[a]({link}) [b](#here) [c](docs/links.md)") == [
        link
    ]


def test_every_guide_can_be_reached_from_the_readme() -> None:
    linked = links((ROOT / "README.md").read_text("utf-8"))
    for text in TEXTS:
        name = str(text.relative_to(ROOT))
        assert name == "README.md" or name in {link.partition("#")[0] for link in linked}, name
