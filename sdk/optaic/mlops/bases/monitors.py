"""Monitoring by the metrics of the training."""

from typing import Any, ClassVar

from optaic.mlops.base import BaseEvaluator, BaseMonitor, Evaluation


class EvaluatorMonitor(BaseMonitor):
    """Realised performance by the definition's own evaluator: `class Monitor(EvaluatorMonitor,
    evaluator=Evaluator, key_metric="rank_ic")`.
    """

    evaluator: ClassVar[type[BaseEvaluator]]

    def __init_subclass__(
        cls, evaluator: type[BaseEvaluator] | None = None, key_metric: str | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        if evaluator is not None:
            cls.evaluator = evaluator
        if key_metric is not None:
            cls.key_metric = key_metric

    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """The evaluator's metrics on realised outcomes."""
        return self.evaluator().evaluate(evaluation)
