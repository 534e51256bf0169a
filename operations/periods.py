"""Accounting periods: months of the calendar, in UTC."""

import calendar
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A span of days, both ends included."""

    start: date
    end: date


def current_period(at: datetime) -> Period:
    """Return the month of an instant that is given in UTC."""
    _, days = calendar.monthrange(at.year, at.month)
    return Period(date(at.year, at.month, 1), date(at.year, at.month, days))
