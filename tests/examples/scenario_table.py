"""The table of docs/scenarios.md; `python -m tests.examples.scenario_table` measures and writes it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure.demo import sources
from tests.examples import scenario_figures as figures
from tests.examples.chained import END, judged_blend, judged_picks
from tests.examples.definitions import SECOND_VERSION, load_definition
from tests.examples.walk_forward import judge, judge_on, known

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
BEGIN, FINISH = "<!-- measured by tests/examples: begin -->", "<!-- measured by tests/examples: end -->"
_HEAD = "| scenario | figure | expected | tolerance | measured |\n|---|---|---|---|---|"
_ROW = re.compile(r"^\| (\d [^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

Measured = Mapping[str, Sequence[float]]


def rendered(measured: Measured) -> str:
    """The table between its two marks."""
    lines = [
        f"| {scenario} | {figure.name} | {shown(figure.expected)} "
        f"| {figures.SAYS[figure.kind]} | {shown(value)} |"
        for scenario, listed in figures.FIGURES.items()
        for figure, value in zip(listed, measured[scenario], strict=True)
    ]
    return "\n".join([BEGIN, _HEAD, *lines, FINISH])


def shown(value: float) -> str:
    """Counts as they are, other figures with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def written() -> dict[tuple[str, str], tuple[str, str, float]]:
    """What the page says: (scenario, figure) → expected, tolerance, measured."""
    part = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(FINISH)[0]
    return {
        (scenario, name): (expected, tolerance, float(value.replace(",", "")))
        for scenario, name, expected, tolerance, value in _ROW.findall(part)
    }


def measure() -> Measured:
    """All five scenarios, about a minute on one core."""
    market = {"prices": sources.us_prices().uploads[0], "index": sources.us_index().uploads[0]}
    economy = {"macro": sources.us_macro_q().uploads[0], "outcomes": sources.us_recessions().uploads[0]}
    signal = judge(load_definition("xgb-signal"), known(market, END), clock="prices", horizon=5, lag=1)
    second = judge_on(load_definition(SECOND_VERSION), signal)
    rules = judge(load_definition("rule-signals"), known(market, END), clock="prices", horizon=5, lag=1)
    regime = judge(load_definition("gmm-regime"), economy, clock="macro", horizon=0, lag=0)
    blend = judged_blend(load_definition("nnls-combiner"), market, signal, rules)
    picks = judged_picks(load_definition("ranker-filter"), market, blend)
    return {
        "1 Signal": figures.measured_signal(signal, second, rules),
        "2 Macro regime": figures.measured_regime(regime),
        "3 Relevance": figures.measured_relevance(load_definition("feature-relevance"), market),
        "4 Signal combining": figures.measured_blend(blend, signal, rules),
        "5 Signal filtering": figures.measured_picks(picks, blend),
    }


def main() -> None:
    """Measure, and write the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + rendered(measure()) + rest.partition(FINISH)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
