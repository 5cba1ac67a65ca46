"""xgboost and lightgbm: parameters, and what they evaluate, round by round, by their own callbacks."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optaic.mlops.autolog import Autolog

Around = Callable[..., Any]


def xgboost_train(autolog: "Autolog") -> Around:
    """Around `xgboost.train`; the scikit-learn wrappers train through it too."""

    def around(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        given = _given(original, arguments, named)
        rounds = {"num_boost_round": given.get("num_boost_round")}
        prefix = autolog.began("xgboost", {**_params(given), **rounds})
        callbacks = [*(given.get("callbacks") or ()), _xgboost_callback(autolog, prefix)]
        if _is_free("callbacks", original, arguments):
            named = {**named, "callbacks": callbacks}
        booster = original(*arguments, **named)
        autolog.told(prefix, _best(booster), 0)
        return booster

    return around


def _is_free(name: str, original: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Whether a parameter was not given by position: then it may be given by name."""
    names = list(inspect.signature(original).parameters)
    return name in names and names.index(name) >= len(arguments)


def _xgboost_callback(autolog: "Autolog", prefix: str) -> Any:
    from xgboost.callback import TrainingCallback

    class Told(TrainingCallback):
        """After each round what was evaluated; never stops a training."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            newest = {
                f"{data}/{metric}": values[-1][0] if isinstance(values[-1], tuple) else values[-1]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
                if values
            }
            autolog.told(prefix, newest, epoch)
            return False

    return Told()


def lightgbm_train(autolog: "Autolog") -> Around:
    """Around `lightgbm.train`; the scikit-learn wrappers train through it too."""

    def around(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        given = _given(original, arguments, named)
        rounds = {"num_boost_round": given.get("num_boost_round")}
        prefix = autolog.began("lightgbm", {**_params(given), **rounds})

        def told(environment: Any) -> None:
            results = environment.evaluation_result_list or ()
            autolog.told(prefix, {f"{one[0]}/{one[1]}": one[2] for one in results}, environment.iteration)

        told.order = 1  # type: ignore[attr-defined]  # before early stopping, which leaves by an exception
        callbacks = [*(given.get("callbacks") or ()), told]
        if _is_free("callbacks", original, arguments):
            named = {**named, "callbacks": callbacks}
        return original(*arguments, **named)

    return around


def _given(
    original: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by name; nothing where they do not fit: the library says so itself."""
    try:
        return dict(inspect.signature(original).bind_partial(*arguments, **named).arguments)
    except TypeError:
        return {}


def _params(given: Mapping[str, Any]) -> dict[str, Any]:
    params: Any = given.get("params")
    return {str(name): params[name] for name in params} if hasattr(params, "keys") else {}


def _best(booster: Any) -> dict[str, Any]:
    """What early stopping found; both are there only if it took part."""
    found = {name: _attribute(booster, name) for name in ("best_iteration", "best_score")}
    return {name: value for name, value in found.items() if value is not None}


def _attribute(booster: Any, name: str) -> Any:
    try:
        return getattr(booster, name, None)
    except Exception:  # a property that raises where there is nothing
        return None


__all__ = ["lightgbm_train", "xgboost_train"]
