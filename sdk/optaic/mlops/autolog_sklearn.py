"""scikit-learn: parameters of each outer fit, what it tells of its own course, and its score on the data."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optaic.mlops.autolog import Autolog

_CURVES = ("loss_curve_", "validation_scores_", "train_score_", "validation_score_", "scores_")
"""Attributes of estimators that hold one number a step."""
_FINALS = ("best_score_", "loss_", "best_loss_", "lower_bound_", "inertia_", "n_iter_", "oob_score_")
_BOOSTING = ("xgboost.", "lightgbm.")
"""Their wrappers are estimators too; they train through a function that is recorded itself."""


def watch_estimators(autolog: "Autolog", base: type[Any]) -> None:
    """Wrap `fit` of all subclasses, also of those to come."""
    for cls in _subclasses(base):
        _watch(autolog, cls)
    before = base.__dict__.get("__init_subclass__")

    def watched(cls: type[Any], **named: Any) -> None:
        if before is not None:
            before.__get__(None, cls)(**named)
        else:
            super(base, cls).__init_subclass__(**named)
        _watch(autolog, cls)

    autolog.replace(base, "__init_subclass__", classmethod(watched))


def _subclasses(base: type[Any]) -> set[type[Any]]:
    found: set[type[Any]] = set()
    waiting = [base]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            if cls not in found:
                found.add(cls)
                waiting.append(cls)
    return found


def _watch(autolog: "Autolog", cls: type[Any]) -> None:
    if callable(cls.__dict__.get("fit")) and not cls.__module__.startswith(_BOOSTING):
        autolog.wrap(cls, "fit", _around(autolog))


def _around(autolog: "Autolog") -> Callable[..., Any]:
    def around(original: Callable[..., Any], estimator: Any, *arguments: Any, **named: Any) -> Any:
        prefix = autolog.began(type(estimator).__name__, _params(estimator))
        fitted = original(estimator, *arguments, **named)
        for name in _CURVES:
            for step, value in enumerate(_numbers(estimator, name)):
                autolog.told(prefix, {name.rstrip("_"): value}, step)
        finals = {name.rstrip("_"): _attribute(estimator, name) for name in _FINALS}
        autolog.told(prefix, {**finals, **_score(estimator, arguments, named)}, 0)
        return fitted

    return around


def _params(estimator: Any) -> dict[str, Any]:
    try:
        return dict(estimator.get_params(deep=True))
    except Exception:  # an estimator that does not keep to the rules is fitted all the same
        return {}


def _attribute(estimator: Any, name: str) -> Any:
    try:
        return getattr(estimator, name, None)
    except Exception:  # a property that raises where there is nothing
        return None


def _numbers(estimator: Any, name: str) -> list[Any]:
    values = _attribute(estimator, name)
    try:
        return list(values) if values is not None and not isinstance(values, dict) else []
    except TypeError:
        return []


def _score(estimator: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """`score` on the training data, where there is a target and the estimator has one (R², accuracy)."""
    rows = named.get("X", arguments[0] if arguments else None)
    target = named.get("y", arguments[1] if len(arguments) > 1 else None)
    if rows is None or target is None or not hasattr(estimator, "score"):
        return {}
    try:
        return {"training_score": estimator.score(rows, target)}
    except Exception:  # nothing that a fit needs
        return {}
