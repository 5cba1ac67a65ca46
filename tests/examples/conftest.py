"""The real data and the definitions, loaded once and judged once; frames are never changed."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from infrastructure.demo import sources
from tests.examples.chained import judged_blend, judged_picks
from tests.examples.definitions import SECOND_VERSION, load_definition
from tests.examples.walk_forward import Frames, Judged, judge, judge_on, known

END = datetime(2022, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="session")
def market() -> Frames:
    return {"prices": sources.us_prices().uploads[0], "index": sources.us_index().uploads[0]}


@pytest.fixture(scope="session")
def economy() -> Frames:
    return {"macro": sources.us_macro_q().uploads[0], "outcomes": sources.us_recessions().uploads[0]}


@pytest.fixture(scope="session")
def signal() -> SimpleNamespace:
    return load_definition("xgb-signal")


@pytest.fixture(scope="session")
def regime() -> SimpleNamespace:
    return load_definition("gmm-regime")


@pytest.fixture(scope="session")
def whole_signal(signal: SimpleNamespace, market: Frames) -> Judged:
    """The signal judged over 2005 to 2022."""
    return judge(signal, known(market, END), clock="prices", horizon=5, lag=1)


@pytest.fixture(scope="session")
def whole_second(whole_signal: Judged) -> Judged:
    """The signal's second version, LightGBM, judged on the same rows."""
    return judge_on(load_definition(SECOND_VERSION), whole_signal)


@pytest.fixture(scope="session")
def whole_regime(regime: SimpleNamespace, economy: Frames) -> Judged:
    """The regimes judged over the 122 quarters from the 80th on."""
    return judge(regime, economy, clock="macro", horizon=0, lag=0)


@pytest.fixture(scope="session")
def relevance() -> SimpleNamespace:
    return load_definition("feature-relevance")


@pytest.fixture(scope="session")
def whole_rules(market: Frames) -> Judged:
    """The three rules judged over 2000 to 2022."""
    definition = load_definition("rule-signals")
    return judge(definition, known(market, END), clock="prices", horizon=5, lag=1)


@pytest.fixture(scope="session")
def whole_blend(market: Frames, whole_signal: Judged, whole_rules: Judged) -> Judged:
    """The combination judged over 2009 to 2022."""
    return judged_blend(load_definition("nnls-combiner"), market, whole_signal, whole_rules)


@pytest.fixture(scope="session")
def whole_picks(market: Frames, whole_blend: Judged) -> Judged:
    """The filtered combination judged over 2014 to 2022."""
    return judged_picks(load_definition("ranker-filter"), market, whole_blend)
