"""The longest increasing subsequence, and of all of those one with short gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TypeAlias

__all__ = ["Point", "longest_increasing"]

Point: TypeAlias = tuple[int, int]
"""A row and a column."""


def longest_increasing(points: Sequence[Point], start: Point, end: Point) -> list[Point]:
    """A longest run of points of which each has a later column than the one before.

    By patience sorting, in O(n log n). A point that can follow many follows one of the two nearest
    to its own diagonal: a gap costs the longer of its sides, which is least on the diagonal.

    Args:
        points: The points, the rows ascending, the columns of one row descending.
        start: The point before all of them.
        end: The point after all of them.
    """
    smallest: list[int] = []
    piles: list[list[int]] = []
    costs: list[int] = []
    before: list[int] = []
    diagonals = [row - column for row, column in points]
    follow = _follow(points, costs, diagonals.__getitem__)
    for place, point in enumerate(points):
        level = bisect_left(smallest, point[1])
        cost, previous = follow(piles[level - 1], point) if level else (_gap(start, point), -1)
        costs.append(cost)
        before.append(previous)
        if level == len(piles):
            smallest.append(point[1])
            piles.append([place])
        else:
            smallest[level] = point[1]
            piles[level].append(place)
    found: list[Point] = []
    place = follow(piles[-1], end)[1] if piles else -1
    while place >= 0:
        found.append(points[place])
        place = before[place]
    found.reverse()
    return found


def _follow(
    points: Sequence[Point], costs: Sequence[int], diagonal: Callable[[int], int]
) -> Callable[[list[int], Point], tuple[int, int]]:
    """Tells what the gaps up to a point cost, and which point of a pile it follows.

    In a pile rows ascend and columns do not, so that it is in the order of the diagonals. The last
    point of it can always be followed, and so can each of a later diagonal.
    """

    def follow(pile: list[int], point: Point) -> tuple[int, int]:
        last = pile[-1]
        at = len(pile)
        if at > 1 and diagonal(last) > point[0] - point[1]:
            at = bisect_right(pile, point[0] - point[1], key=diagonal)
        if at < len(pile):
            near = [place for place in pile[max(0, at - 1) : at + 1] if points[place][1] < point[1]]
            return min((costs[place] + _gap(points[place], point), place) for place in near)
        return costs[last] + _gap(points[last], point), last

    return follow


def _gap(before: Point, after: Point) -> int:
    down, across = after[0] - before[0], after[1] - before[1]
    return max(down, across) - 1
