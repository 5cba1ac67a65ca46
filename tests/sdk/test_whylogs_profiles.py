"""Profiles by WhyLogs: what they count is what plain polars counts, and nothing is sent anywhere."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from optaic.mlops import whylogs_profiles

FRAME = pl.DataFrame(
    {
        "signal": [0.5, -0.25, None, float("nan"), 1.0],
        "entity": ["A", "B", "A", None, "C"],
        "rank": [1, 2, 3, 4, 5],
    }
)


def test_a_profile_counts_what_is_there_and_adds_up_when_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a profile sends nothing")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    whole = whylogs_profiles.figures(whylogs_profiles.write(FRAME, tmp_path / "whole"))
    assert set(whole) == {"signal", "entity", "rank"}
    assert (whole["signal"]["counts/n"], whole["signal"]["counts/null"]) == (5, 2)
    assert whole["entity"]["counts/null"] == 1
    rank = {key.removeprefix("distribution/"): value for key, value in whole["rank"].items()}
    assert (rank["min"], rank["max"], rank["mean"]) == (1, 5, 3)
    assert rank["stddev"] == pytest.approx(FRAME["rank"].std())
    parts = [
        whylogs_profiles.write(FRAME[:2], tmp_path / "one"),
        whylogs_profiles.write(FRAME[2:], tmp_path / "two"),
    ]
    both = whylogs_profiles.figures(whylogs_profiles.merged(parts, tmp_path / "both"))
    assert both["rank"] == pytest.approx(whole["rank"])
    assert both["signal"]["counts/n"] == 5
    with pytest.raises(ValueError, match="no profile"):
        whylogs_profiles.merged([], tmp_path / "none")
    assert os.environ["WHYLOGS_NO_ANALYTICS"]


def test_without_whylogs_the_install_line_is_told(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['whylogs'] = None\n"
        "import polars, pathlib\n"
        "from optaic.mlops import whylogs_profiles as w\n"
        "try: w.write(polars.DataFrame({'a': [1]}), pathlib.Path('x'))\n"
        "except w.WhyLogsMissing as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert told.stdout.strip() == "profiles need WhyLogs: pip install 'optaic-mlops[whylogs]'"
