"""A treemap: rectangles whose areas are weights. Source: Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Box(msgspec.Struct, frozen=True):
    """A rectangle: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


def layout(weights: Sequence[float], whole: Box) -> list[Box]:
    """A rectangle for each weight (positive, the largest first), as square as can be, which fill the whole."""
    total = sum(weights)
    scale = whole.width * whole.height / total if total > 0 else 0.0
    areas = [weight * scale for weight in weights]
    boxes: list[Box] = []
    left = whole
    begin = 0
    while begin < len(areas):
        side = min(left.width, left.height)
        end = begin + 1
        row = areas[begin]
        while end < len(areas) and _worst(areas[begin], areas[end], row + areas[end], side) <= _worst(
            areas[begin], areas[end - 1], row, side
        ):
            row += areas[end]
            end += 1
        placed, left = _place(areas[begin:end], row, left)
        boxes += placed
        begin = end
    return boxes


def _worst(largest: float, smallest: float, row: float, side: float) -> float:
    """How far the worst rectangle of a row is from a square."""
    if row <= 0 or smallest <= 0 or side <= 0:
        return float("inf")
    return max(side * side * largest / (row * row), row * row / (side * side * smallest))


def _place(areas: Sequence[float], row: float, left: Box) -> tuple[list[Box], Box]:
    """A row along the shorter side, and what is left of the whole."""
    boxes = []
    if left.width >= left.height:
        width = row / left.height if left.height > 0 else 0.0
        y = left.y
        for area in areas:
            height = area / width if width > 0 else 0.0
            boxes.append(Box(left.x, y, width, height))
            y += height
        return boxes, Box(left.x + width, left.y, max(0.0, left.width - width), left.height)
    height = row / left.width if left.width > 0 else 0.0
    x = left.x
    for area in areas:
        width = area / height if height > 0 else 0.0
        boxes.append(Box(x, left.y, width, height))
        x += width
    return boxes, Box(left.x, left.y + height, left.width, max(0.0, left.height - height))
