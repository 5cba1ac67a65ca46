"""Trains and predicts on a small sample, and looks for lookahead: checks of an evaluation, in a process of
their own.

Reads {"package", "definition", "category", "entry_points", "inputs": [{role, columns}], "lookahead",
"scale_free": [role], "result"} as JSON from standard input, before any code of the definition runs, and
writes to `result`: {"sample", "model": SHA-256 of the canonical model file, "predictions": SHA-256 of their
rows, "findings", "compared", "asked", "scaled": {role: findings}} or {"not_checked": why}. What the
definition prints is never looked at.
"""

import hashlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optaic.mlops.runner.confinement import confine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from optaic.mlops.lookahead import CheckedFrames
    from optaic.mlops.runner.components import Components
    from optaic.mlops.runner.sample import Sample

FINDINGS_MAX = 20


def main() -> int:
    """0 and a result, or 1 and the reason on standard output."""
    confine()
    from optaic.mlops.runner.components import load_components, put_on_path

    task: dict[str, Any] = json.load(sys.stdin)
    put_on_path(Path(task["package"]))
    try:
        result = _rehearsed(task, load_components(task["entry_points"]))
    except Exception:
        traceback.print_exc(file=sys.stdout)
        return 1
    _write(Path(task["result"]), result)
    return 0


def _rehearsed(task: dict[str, Any], components: "Components") -> dict[str, Any]:
    from optaic.mlops.runner.sample import NoSample, choose_sample

    try:
        sample = choose_sample(components, task["inputs"], task["category"], Path(task["package"]))
    except NoSample as reason:
        return {"not_checked": str(reason)}
    try:
        model, predictions = _trained_and_predicted(task, components, sample)
    except Exception as error:
        if not sample.is_generated:  # the definition's own sample has to do
            raise
        traceback.print_exc(file=sys.stdout)
        return {"not_checked": f"{sample.name}: {type(error).__name__}: {str(error)[:300]}"}
    result: dict[str, Any] = {"sample": sample.name, "model": model, "predictions": predictions}
    if not task["lookahead"]:
        return result
    return result | _looked_ahead(components, sample, task["category"]) | _scaled(components, sample, task)


def _trained_and_predicted(
    task: dict[str, Any], components: "Components", sample: "Sample"
) -> tuple[str, str]:
    """One training on the first three quarters of the sample and one inference on the rest, by the pipelines
    that runs use; without the walk-forward, which only measures.
    """
    from dataclasses import replace

    from optaic.mlops.packaging import canonical_zip
    from optaic.mlops.pipelines.inference import infer
    from optaic.mlops.pipelines.training import train

    unjudged = type("Rehearsed", (components.trainer,), {"walk_forward": None})
    train(sample.training(task), replace(components, trainer=unjudged), sample)
    infer(sample.inference(task), components, sample)
    assert sample.artifact is not None
    assert sample.output is not None
    content = sample.output.write_ipc(None).getvalue()
    return hashlib.sha256(canonical_zip(sample.artifact)).hexdigest(), hashlib.sha256(content).hexdigest()


def _looked_ahead(components: "Components", sample: "Sample", category: str) -> dict[str, Any]:
    from optaic.mlops.lookahead import validate_no_lookahead

    reports = [
        (what, validate_no_lookahead(function, sample.frames, warm_up=components.features.warm_up or None))
        for what, function in (
            ("features", _features(components)),
            ("predictions", _predictions(components, sample, category)),
        )
    ]
    findings = [f"{what}: {finding}" for what, report in reports for finding in report.findings]
    return {
        "findings": findings[:FINDINGS_MAX],
        "compared": [report.rows for _, report in reports],
        "asked": sum(report.evaluations for _, report in reports),
    }


def _scaled(components: "Components", sample: "Sample", task: dict[str, Any]) -> dict[str, Any]:
    from optaic.mlops.runner.scale import scale_findings

    roles = [role for role in task["scale_free"] if role in sample.frames]
    return {
        "scaled": {role: scale_findings(components, sample.frames, role)[:FINDINGS_MAX] for role in roles}
    }


def _features(components: "Components") -> "CheckedFrames":
    return lambda rows, as_of: components.features().compute(rows)  # noqa: ARG005  # a feature has no clock


def _predictions(components: "Components", sample: "Sample", category: str) -> "CheckedFrames":
    """What the trained model says on the features of all dates at once; the model itself stays the same."""
    import polars as pl
    from polars import selectors as cs

    from optaic.mlops.pipelines.artifact import read_index, read_model
    from optaic.mlops.pipelines.output import predict_rows

    assert sample.artifact is not None
    index = read_index(sample.artifact)
    model = read_model(sample.artifact, components.model, index)

    def predict(rows: "Mapping[str, pl.DataFrame]", as_of: "datetime") -> "pl.DataFrame":  # noqa: ARG001  # the same
        computed = components.features().compute(rows)
        typed = computed.with_columns(cs.by_name(index.features).cast(pl.Float64).fill_nan(None))
        complete = typed.drop_nulls(index.features).sort("date", "entity")
        if complete.is_empty():
            return pl.DataFrame(schema={"date": pl.Date, "entity": pl.String})
        return predict_rows(model, components.predictor(), complete, index.features, category)

    return predict


def _write(path: Path, result: dict[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(result, file, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
