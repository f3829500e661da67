"""A page for people: one HTML file that runs nothing, loads nothing, and prints well."""

from __future__ import annotations

import base64
from hashlib import sha256
from html import escape
from unicodedata import category

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1c2024; --soft: #5b6470; --paper: #ffffff; --line: #d5dae0; --band: #f4f6f8;
  --mark: #1f5fa8; --good: #17693a; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ed; --soft: #a3adb8; --paper: #15181c; --line: #363d45; --band: #1e2329;
    --mark: #79b0ee; --good: #6fce93; --bad: #ff8f85;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 62rem;
  color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 {
  font-size: 1.2rem; line-height: 1.3; margin: 2.4rem 0 .5rem; padding-top: .8rem;
  border-top: 1px solid var(--line);
}
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p, ul, dl { margin: .4rem 0 .8rem; }
p, li, dd { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--mark); }
.soft, figcaption, caption { color: var(--soft); font-size: .875rem; }
code, pre { font: .875em/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre {
  margin: .5rem 0; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .3rem;
  background: var(--band); white-space: pre-wrap; overflow-wrap: anywhere;
}
.wide { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; }
th, td {
  padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line);
}
thead th { vertical-align: bottom; white-space: normal; border-bottom: 2px solid var(--line); }
tfoot td, tfoot th { border-bottom: 0; font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 6rem; }
.n { text-align: right; }
td.n { white-space: nowrap; min-width: 0; }
.once { white-space: nowrap; }
.hash { display: inline-block; min-width: 17rem; word-break: break-all; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .6rem;
  margin: 1rem 0; padding: 0; list-style: none;
}
.tiles li { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem; }
.tiles b { display: block; font-size: 1.2rem; line-height: 1.3; overflow-wrap: anywhere; }
.tiles li > span { color: var(--soft); font-size: .875rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
figure { margin: .8rem 0; }
svg { display: block; width: 100%; height: auto; color: var(--mark); }
svg text { font: 11px system-ui, "Noto Sans", sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); font-size: 11px; }
svg .rule { stroke: var(--line); stroke-width: 1; }
svg .solid { fill: currentColor; }
svg .hatch { stroke: currentColor; stroke-width: 1; }
svg .stroke { stroke: currentColor; stroke-width: 2; }
svg.large { max-width: 760px; }
svg.small { display: none; max-width: 480px; }
@media screen and (max-width: 620px) {
  svg.large { display: none; }
  svg.small { display: block; }
}
@media print {
  :root {
    color-scheme: light;
    --ink: #000000; --soft: #444444; --paper: #ffffff; --line: #bbbbbb; --band: #ffffff;
    --mark: #1f4f88; --good: #000000; --bad: #000000;
  }
  @page { margin: 15mm 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3 { break-after: avoid; }
  figure, .tiles li, tr, pre { break-inside: avoid; }
  thead { display: table-header-group; }
  tfoot { display: table-row-group; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: .5rem; }
  .screen { display: none; }
}
"""
_VISIBLE = {"\n", "\t"}


class Markup(str):
    """Text of a page that is mark-up already."""

    __slots__ = ()


def text(value: object) -> str:
    """Return a value as text of a page: no mark-up, and no character that moves the others."""
    return escape("".join(map(_harmless, str(value))))


def page(title: str, body: str, style: str = STYLE) -> str:
    """Return a whole page of a body, which is mark-up already.

    Its policy (CSP level 3) lets a browser apply the page's own style, known by its hash, and
    nothing else.
    """
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _harmless(char: str) -> str:
    """Escape what is not seen or turns the direction: control, format and private characters."""
    if char in _VISIBLE or category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return char
    return f"\\u{ord(char):04x}"
