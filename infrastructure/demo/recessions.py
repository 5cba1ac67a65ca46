"""The eight US recessions of 1960 to 2009, dated by the NBER's Business Cycle Dating Committee."""

from datetime import date
from typing import NamedTuple


class Recession(NamedTuple):
    """A contraction: from the quarter after the peak up to and including the quarter of the trough."""

    peak_quarter_end: date
    trough_quarter_end: date
    trough_announced: date | None
    """When the committee announced the trough; None before it announced its decisions (1979)."""


RECESSIONS = (
    Recession(date(1960, 6, 30), date(1961, 3, 31), None),
    Recession(date(1969, 12, 31), date(1970, 12, 31), None),
    Recession(date(1973, 12, 31), date(1975, 3, 31), None),
    Recession(date(1980, 3, 31), date(1980, 9, 30), date(1981, 7, 8)),
    Recession(date(1981, 9, 30), date(1982, 12, 31), date(1983, 7, 8)),
    Recession(date(1990, 9, 30), date(1991, 3, 31), date(1992, 12, 22)),
    Recession(date(2001, 3, 31), date(2001, 12, 31), date(2003, 7, 17)),
    Recession(date(2007, 12, 31), date(2009, 6, 30), date(2010, 9, 20)),
)
