"""docs/scenarios.md says what a run of the tests measures, and that is what was expected."""

from types import SimpleNamespace

import pytest

from tests.examples import scenario_figures as figures
from tests.examples import scenario_table as table
from tests.examples.walk_forward import Frames, Judged


@pytest.fixture(scope="module")
def measured(
    market: Frames,
    relevance: SimpleNamespace,
    whole_signal: Judged,
    whole_second: Judged,
    whole_rules: Judged,
    whole_regime: Judged,
    whole_blend: Judged,
    whole_picks: Judged,
) -> table.Measured:
    return {
        "1 Signal": figures.measured_signal(whole_signal, whole_second, whole_rules),
        "2 Macro regime": figures.measured_regime(whole_regime),
        "3 Relevance": figures.measured_relevance(relevance, market),
        "4 Signal combining": figures.measured_blend(whole_blend, whole_signal, whole_rules),
        "5 Signal filtering": figures.measured_picks(whole_picks, whole_blend),
    }


def test_every_figure_stands_in_the_table_with_what_was_expected_of_it():
    stated = {where: (expected, tolerance) for where, (expected, tolerance, _) in table.written().items()}
    assert stated == {
        (scenario, figure.name): (table.shown(figure.expected), figures.SAYS[figure.kind])
        for scenario, listed in figures.FIGURES.items()
        for figure in listed
    }


def test_the_table_is_what_this_run_measures(measured: table.Measured):
    written = table.written()
    for scenario, listed in figures.FIGURES.items():
        for figure, value in zip(listed, measured[scenario], strict=True):
            stated = written[scenario, figure.name][2]
            rounding = 0.005 * abs(stated)
            assert value == pytest.approx(stated, rel=0, abs=figure.slack(stated) + rounding), figure


def test_what_is_measured_was_expected(measured: table.Measured):
    for scenario, listed in figures.FIGURES.items():
        for figure, value in zip(listed, measured[scenario], strict=True):
            if figure.kind != "not held":
                assert value == pytest.approx(figure.expected, rel=0, abs=figure.slack(figure.expected)), (
                    scenario,
                    figure,
                )


def test_the_table_can_be_written_again(measured: table.Measured):
    text = table.rendered(measured)
    assert text.startswith(table.BEGIN)
    assert text.endswith(table.FINISH)
    assert len(text.splitlines()) == 4 + sum(len(listed) for listed in figures.FIGURES.values())
