"""A ranking as a picture: a dot a policy at its mean rank, and a line as long as its interval."""

from collections.abc import Collection
from html import escape
from math import ceil

from .rank import Ranking

WIDTH, ROW, LEFT, TOP = 720, 18, 190, 40
_TICKS = 5


def svg(ranking: Ranking, marked: Collection[str] = ()) -> str:
    """An SVG image of its own. marked: labels that stand out."""
    entrants = ranking.entrants
    last = max(ceil((entrant.standing.rank.high or 0) / _TICKS) * _TICKS for entrant in entrants)
    height = TOP + ROW * len(entrants) + 12

    def x(rank: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 20) * rank / last, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12"><title>Mean rank of {len(entrants)} policies over {len(ranking.traces)} traces</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
        f'<text x="{LEFT}" y="14">mean rank, 1 being the best, and its 95 % interval over traces</text>'
    ]
    parts += [
        f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{TOP - 6}" y2="{height - 8}" stroke="#ddd"/>'
        f'<text x="{x(tick)}" y="{TOP - 10}" text-anchor="middle" fill="#666">{tick}</text>'
        for tick in range(0, last + 1, _TICKS)
    ]
    for row, entrant in enumerate(entrants):
        mean = entrant.standing.rank
        y = TOP + ROW * row + ROW // 2
        colour = "#c33" if entrant.label in marked else "#357"
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end" fill="{colour}">{escape(entrant.label)}</text>'
            f'<line x1="{x(mean.low or 0)}" x2="{x(mean.high or 0)}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="2"/><circle cx="{x(mean.mean or 0)}" cy="{y}" r="4" fill="{colour}"/>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
