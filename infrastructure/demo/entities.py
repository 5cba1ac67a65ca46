"""Permanent ids of the demonstration's companies: the SEC's central index keys, which outlive tickers."""

CENTRAL_INDEX_KEYS = {
    "AAPL": 320193,
    "AMD": 2488,
    "BAC": 70858,
    "BBY": 764478,
    "CVX": 93410,
    "GE": 40545,
    "HD": 354950,
    "JNJ": 200406,
    "JPM": 19617,
    "KO": 21344,
    "LLY": 59478,
    "MRK": 310158,
    "MSFT": 789019,
    "PEP": 77476,
    "PFE": 78003,
    "PG": 80424,
    "RRC": 315852,
    "UNH": 731766,
    "WMT": 104169,
    "XOM": 34088,
}
"""Ticker at the end of 2022, as the price file labels its columns → central index key."""


def entity_of(symbol: str) -> str:
    """The permanent id of a company, such as `cik-0000320193`. Raises KeyError for an unknown ticker."""
    return f"cik-{CENTRAL_INDEX_KEYS[symbol]:010d}"
