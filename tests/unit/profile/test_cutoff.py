from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from envctl.profile import cutoff

NOW = datetime(2026, 11, 21, 10, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01t01:30:00.999+02:00", "2026-10-31T23:30:00+00:00"),
        ("2026-11-01 01:30:00-05:30", "2026-11-01T07:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("7 days", "2026-11-14T08:30:00+00:00"),
        ("7d", "2026-11-14T08:30:00+00:00"),
        ("1 week", "2026-11-14T08:30:00+00:00"),
        ("P7D", "2026-11-14T08:30:00+00:00"),
        ("P1W", "2026-11-14T08:30:00+00:00"),
        ("24 hours", "2026-11-20T08:30:00+00:00"),
        ("PT24H", "2026-11-20T08:30:00+00:00"),
        ("P1DT30M", "2026-11-20T08:00:00+00:00"),
        ("1 day, 30 minutes", "2026-11-20T08:00:00+00:00"),
        ("0 days", "2026-11-21T08:30:00+00:00"),
    ],
)
def test_a_cutoff_means_one_moment_in_utc_and_whole_seconds(text: str, moment: str) -> None:
    assert cutoff(text, NOW).isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "7",
        "-7 days",
        "7 days ago",
        "1 month",
        "1 year",
        "P1M",
        "P",
        "PT",
        "P1DT",
        "2026-11-01T00:00:00",
        "2026-02-30",
        "2026-11-01T24:61:00Z",
        "2026-11-1",
        "٢٠٢٦-١١-٠١",
        "99999999999 weeks",
        "9" * 5000 + " days",
        "0001-01-01T00:00:00+02:00",
        "7 days\n",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        cutoff(text, NOW)
