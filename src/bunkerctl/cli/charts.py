"""Charts as SVG that stands in a page: bars with their numbers beside them, told without colour."""

from __future__ import annotations

from bunkerctl.webpage import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTHS = {"large": 760, "small": 330}
"""A chart is drawn twice, and the style shows the one that fits: its letters stay as large."""

LEFT, RIGHT = 50, 12
BAND, ROW, FOOT = 46, 84, 20
MOST_BARS = 20
LETTER = 6.4  # how wide one is, at 11 pixels

Series = tuple[str, list[int]]


def small_multiples(about: str, slots: list[str], series: list[Series]) -> str:
    """Draw a row of bars for each series, one over the other, over the same months or years."""
    return _both(about, lambda width: _multiples(width, slots, series))


def columns(about: str, slots: list[str], solid: Series, hatched: Series) -> str:
    """Draw two series in one bar a slot: the hatched one stands on the solid one."""
    return _both(about, lambda width: _columns(width, slots, solid, hatched))


def bars(about: str, values: list[tuple[str, int]]) -> str:
    """Draw a horizontal bar for each value, its name above."""
    return _both(about, lambda width: _bars(width, values))


def short(value: int) -> str:
    """Write a number in at most five letters."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            told = f"{value / size:.1f}" if value < 100 * size else str(value // size)
            return f"{told.removesuffix('.0')} {unit}"
    return str(value)


def _both(about: str, draw: Callable[[int], tuple[float, list[str]]]) -> str:
    drawn = []
    for name, width in WIDTHS.items():
        height, parts = draw(width)
        drawn.append(
            f'<svg class="{name}" viewBox="0 0 {width} {height:g}" role="img"'
            f' aria-label="{text(about)}">{"".join(parts)}</svg>'
        )
    return "\n".join(drawn)


def _multiples(width: int, slots: list[str], series: list[Series]) -> tuple[float, list[str]]:
    parts = []
    for number, (name, values) in enumerate(series):
        top = ROW * number
        parts.append(_text(0, top + 12, name))
        parts += _scale(width, top + 26, max(values, default=0))
        parts += _row(width, top + 26, slots, name, values)
    parts += _slots(width, ROW * len(series) + 6, slots)
    return ROW * len(series) + FOOT - 4, parts


def _row(width: int, top: int, slots: list[str], name: str, values: list[int]) -> Iterator[str]:
    step = (width - LEFT - RIGHT) / max(1, len(slots))
    thick = min(0.8 * step, 36)
    for number, (slot, value) in enumerate(zip(slots, values, strict=True)):
        if value > 0:
            high = _high(value, max(values))
            x = LEFT + step * number + (step - thick) / 2
            box = _box(x, top + BAND - high, thick, high, "solid")
            yield f"<g><title>{text(f'{slot}: {value} {name}')}</title>{box}</g>"


def _columns(
    width: int, slots: list[str], solid: Series, hatched: Series
) -> tuple[float, list[str]]:
    mark = f"hatch{width}"
    most = max((one + two for one, two in zip(solid[1], hatched[1], strict=True)), default=0)
    parts = [_pattern(mark), _box(0, 2, 12, 12, "solid"), _text(18, 12, solid[0])]
    at = 18 + LETTER * len(solid[0]) + 24
    parts += [_hatched(at, 2, 12, 12, mark), _text(at + 18, 12, hatched[0])]
    parts += _scale(width, 28, most)
    step = (width - LEFT - RIGHT) / max(1, len(slots))
    thick = min(0.7 * step, 36)
    for number, (slot, one, two) in enumerate(zip(slots, solid[1], hatched[1], strict=True)):
        x, base = LEFT + step * number + (step - thick) / 2, 28 + BAND
        first, second = _high(one, most), _high(two, most)
        boxes = _box(x, base - first, thick, first, "solid") if one else ""
        boxes += _hatched(x, base - first - second, thick, second, mark) if two else ""
        told = text(f"{slot}: {one} {solid[0]}, {two} {hatched[0]}")
        parts.append(f"<g><title>{told}</title>{boxes}</g>" if boxes else "")
    parts += _slots(width, 28 + BAND + FOOT, slots)
    return 28 + BAND + FOOT + 8, parts


def _bars(width: int, values: list[tuple[str, int]]) -> tuple[float, list[str]]:
    parts, most = [], max((value for _, value in values), default=0)
    room = width - 70
    for number, (name, value) in enumerate(values):
        top = 34 * number
        parts.append(_text(0, top + 12, _cut(name, width)))
        long = max(1.5, room * value / most) if value else 0
        parts.append(_box(0, top + 17, long, 10, "solid") if value else "")
        parts.append(_text(long + 6, top + 26, short(value), "soft"))
    return max(1, 34 * len(values)), parts


def _scale(width: int, top: int, most: int) -> Iterator[str]:
    """Yield the base line, and the line of the largest value with that beside it."""
    base = top + BAND
    yield _line(LEFT, base, width - RIGHT)
    yield _text(LEFT - 6, base + 4, "0", "soft", "end")
    if most:
        yield _line(LEFT, top, width - RIGHT)
        yield _text(LEFT - 6, top + 4, short(most), "soft", "end")
    else:
        yield _text(LEFT + 6, base - 8, "none", "soft")


def _slots(width: int, y: int, slots: list[str]) -> Iterator[str]:
    """Yield the names below the bars, as many as have room."""
    step = (width - LEFT - RIGHT) / max(1, len(slots))
    every = _every(slots, step)
    for number, slot in enumerate(slots):
        if every(number):
            middle = LEFT + step * (number + 0.5)
            half = LETTER * len(slot) / 2
            middle = min(max(middle, half), width - half)
            yield _text(middle, y, slot, "soft", "middle")


def _every(slots: list[str], step: float) -> Callable[[int], bool]:
    """Return which slots are named: months from a January on, others up to the last."""
    need = LETTER * max(map(len, slots), default=1) + 10
    apart = next((n for n in (1, 2, 3, 6, 12, 24, 60, 120) if n * step >= need), 1000)
    months = all(slot[4:5] == "-" and slot[5:].isdigit() for slot in slots)
    shift = int(slots[0][5:]) - 1 if months and slots else 1 - len(slots)
    return lambda number: (number + shift) % apart == 0


def _high(value: int, most: int) -> float:
    return max(1.5, BAND * value / most) if value else 0


def _cut(name: str, width: int) -> str:
    most = int(width / LETTER) - 1
    return name if len(name) <= most else name[: most - 1] + "…"


def _pattern(mark: str) -> str:
    return (
        f'<defs><pattern id="{mark}" width="5" height="5" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><path class="stroke" d="M0 0V5"/></pattern></defs>'
    )


def _hatched(x: float, y: float, wide: float, high: float, mark: str) -> str:
    return (
        f'<rect class="hatch" fill="url(#{mark})" x="{x:.1f}" y="{y:.1f}"'
        f' width="{wide:.1f}" height="{high:.1f}"/>'
    )


def _box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'


def _line(x: float, y: float, to: float) -> str:
    return f'<path class="rule" d="M{x:g} {y:g}H{to:g}"/>'


def _text(x: float, y: float, words: str, kind: str = "ink", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text(words)}</text>'
    )
