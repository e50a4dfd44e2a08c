"""Cutoffs: a moment, a date or a span back from now, as the moment that it means."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

EXPECTED = "an RFC 3339 time (2026-11-01T00:00:00Z), a date, or a span back from now such as '7 days' or 'P7D'"
FIRST_YEAR, LAST_YEAR = 1970, 2199
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:([Zz])|([+-][0-9]{2}:[0-9]{2}))"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_SPAN = re.compile(
    r"P(?:(?P<weeks>[0-9]+)W)?(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?(?:(?P<seconds>[0-9]+)S)?)?"
)
_WORDS = re.compile(r"([0-9]+) *([a-z]+)(?:,? +|$)")
_UNITS = {
    name: unit
    for unit, names in {
        "weeks": ("w", "week", "weeks"),
        "days": ("d", "day", "days"),
        "hours": ("h", "hour", "hours"),
        "minutes": ("min", "minute", "minutes"),
        "seconds": ("s", "sec", "second", "seconds"),
    }.items()
    for name in names
}


def cutoff(text: str, now: datetime) -> datetime:
    """The moment that a cutoff means, in UTC and whole seconds (fractions are cut off).

    A date means its first moment in UTC on every machine: nothing that was uploaded on that day counts. (uv means the
    end of that day in the machine's own time zone.) A span counts back from `now`; months and years are refused, since
    their length is not fixed.

    Args:
        text: RFC 3339 with an offset, `YYYY-MM-DD`, an ISO 8601 span (`P7D`, `PT24H`) or words (`7 days`, `2w`).
        now: an aware datetime.

    Raises:
        ValueError: it is none of these, or no moment of the calendar.
    """
    try:
        moment = _moment(text, now).astimezone(timezone.utc)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError("before there were packages, or beyond what tools can tell")
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not {EXPECTED}") from error
    return moment.replace(microsecond=0)


def is_span(text: str) -> bool:
    """Whether a valid cutoff counts back from now."""
    return not (_MOMENT.fullmatch(text) or _DATE.fullmatch(text))


def _moment(text: str, now: datetime) -> datetime:
    if match := _MOMENT.fullmatch(text):
        day, time, _, offset = match.groups()
        return datetime.fromisoformat(f"{day}T{time}{offset or '+00:00'}").astimezone(timezone.utc)
    if _DATE.fullmatch(text):
        return datetime.fromisoformat(f"{text}T00:00:00+00:00")
    return now.astimezone(timezone.utc) - _span(text)


def _span(text: str) -> timedelta:
    match = _ISO_SPAN.fullmatch(text)
    if match is not None:
        given = {unit: int(count) for unit, count in match.groupdict().items() if count is not None}
        if not given or text.endswith("T"):
            raise ValueError("a span without a length")
        return timedelta(**given)
    total, at, words = timedelta(), 0, text.lower()
    while at < len(words):
        word = _WORDS.match(words, at)
        if word is None or word[2] not in _UNITS:
            raise ValueError("not a span")
        total += timedelta(**{_UNITS[word[2]]: int(word[1])})
        at = word.end()
    if not words:
        raise ValueError("an empty span")
    return total
