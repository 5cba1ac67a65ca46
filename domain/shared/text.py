"""Bounded texts and numbers that several aggregates use."""

from typing import Annotated

import msgspec

NonNegative = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Tag = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_.:-]{0,62}(?!\\n)$")]
