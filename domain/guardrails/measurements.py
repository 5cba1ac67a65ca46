"""What the infrastructure measured on a frame, so that the rules can judge without seeing it."""

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contract's figures on one frame: what was observed, how many rows broke the limit, the first 20
    keys.
    """

    contract: str
    """The contract's key: which kind and config this was measured for."""
    rows: int
    breaching: int
    observed: dict[str, float]
    """Named figures such as `minimum`, `maximum`, `dates`; finite."""
    keys: tuple[str, ...] = ()
    """The first 20 offending keys, as `date/entity`."""


class Measurements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All measurements of one output."""

    rows: int
    items: tuple[Measurement, ...]
