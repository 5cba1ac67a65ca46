"""What scikit-learn, xgboost and lightgbm do while they fit, recorded by itself: `tracking.autolog()`.

Their training functions are wrapped where they are already there, or when they are first imported; a library
that is absent is left alone. Recording never changes a training: arguments go through untouched but for one
callback that the boosting libraries offer for it, and whatever goes wrong in here is a warning.
"""

import contextvars
import functools
import importlib
import importlib.abc
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Protocol

_INHERITED = object()
VALUE_LENGTH_MAX = 200
PARAMS_MAX = 100


class Recorder(Protocol):
    """Where it goes."""

    def params(self, params: Mapping[str, Any]) -> None:
        """Parameters of a fit."""
        ...

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics at a step."""
        ...


class AutologWarning(UserWarning):
    """Something could not be recorded; the training was not touched."""


_inside = contextvars.ContextVar("autolog_inside", default=False)
"""A fit within a fit (a pipeline's steps, a search's candidates, a wrapper's booster) is the outer one's."""


class Autolog:
    """The wrapped functions, until `undo`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._wrapped: list[tuple[Any, str, Any]] = []
        self._fits = 0
        self._finder = _AtImport(self)

    def start(self) -> None:
        """Wrap what is there; the rest when it is imported."""
        for name in _HOOKS:
            if name in sys.modules:
                self.hook(name)
        sys.meta_path.insert(0, self._finder)

    def undo(self) -> None:
        """Everything as it was; twice is once."""
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        while self._wrapped:
            owner, name, original = self._wrapped.pop()
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    def hook(self, name: str) -> None:
        """Wrap a library that was imported."""
        try:
            _HOOKS[name](self, sys.modules[name])
        except Exception as error:
            _warn(f"{name} is not recorded: {error}")

    def wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Replace `owner.name` by a function that `around(original, *arguments)` answers for."""
        original = owner.__dict__[name]

        @functools.wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if _inside.get():
                return original(*arguments, **named)
            token = _inside.set(True)
            try:
                return around(original, *arguments, **named)
            finally:
                _inside.reset(token)

        setattr(owner, name, wrapper)
        self._wrapped.append((owner, name, original))

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Put something in the place of `owner.name`, which may be inherited."""
        self._wrapped.append((owner, name, owner.__dict__.get(name, _INHERITED)))
        setattr(owner, name, new)

    def began(self, what: str, params: Mapping[str, Any]) -> str:
        """A fit begins; returns the prefix of its names: none for the first, `fit2.` and so on after it."""
        self._fits += 1
        prefix = "" if self._fits == 1 else f"fit{self._fits}."
        plain = {name: _plain(value) for name, value in list(params.items())[:PARAMS_MAX]}
        self._safely(self._recorder.params, {f"{prefix}estimator": what, **_prefixed(prefix, plain)})
        return prefix

    def told(self, prefix: str, metrics: Mapping[str, Any], step: int) -> None:
        """Metrics at a step; those that are no finite numbers are left out."""
        finite = {_name(name): float(value) for name, value in metrics.items() if _is_finite(value)}
        if finite:
            self._safely(self._recorder.metrics, _prefixed(prefix, finite), step)

    def _safely(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            _warn(f"not recorded: {type(error).__name__}: {error}")


class _AtImport(importlib.abc.MetaPathFinder):
    """Lets the ordinary import find a library, and wraps it once it has been executed."""

    def __init__(self, autolog: Autolog) -> None:
        self._autolog = autolog

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """The spec of another finder, whose loader tells when it is done; None for all other modules."""
        if fullname not in _HOOKS:
            return None
        for finder in [one for one in sys.meta_path if one is not self]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                self._tell_when_executed(spec, fullname)
                return spec
        return None

    def _tell_when_executed(self, spec: Any, name: str) -> None:
        execute = getattr(spec.loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._autolog.hook(name)

        with suppress(AttributeError):  # a loader that takes no attributes: then it is not recorded
            spec.loader.exec_module = exec_module


# --- the libraries ---


def _hook_sklearn(autolog: Autolog, base: ModuleType) -> None:
    """`fit` of every estimator: those that there are, and those that are still imported."""
    from optaic.mlops.autolog_sklearn import watch_estimators

    watch_estimators(autolog, base.BaseEstimator)


def _hook_xgboost(autolog: Autolog, module: ModuleType) -> None:
    from optaic.mlops.autolog_boosting import xgboost_train

    training = importlib.import_module("xgboost.training")
    autolog.wrap(training, "train", xgboost_train(autolog))
    wrapped = training.train
    for owner in (module, sys.modules.get("xgboost.sklearn")):
        if owner is not None and "train" in owner.__dict__:
            autolog.replace(owner, "train", wrapped)


def _hook_lightgbm(autolog: Autolog, module: ModuleType) -> None:
    from optaic.mlops.autolog_boosting import lightgbm_train

    engine = importlib.import_module("lightgbm.engine")
    autolog.wrap(engine, "train", lightgbm_train(autolog))
    wrapped = engine.train
    for owner in (module, sys.modules.get("lightgbm.sklearn")):
        if owner is not None and "train" in owner.__dict__:
            autolog.replace(owner, "train", wrapped)


_HOOKS: Mapping[str, Callable[[Autolog, ModuleType], None]] = {
    "sklearn.base": _hook_sklearn,
    "xgboost": _hook_xgboost,
    "lightgbm": _hook_lightgbm,
}


def _warn(message: str) -> None:
    warnings.warn(message, AutologWarning, stacklevel=3)


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in values.items()}


def _name(name: str) -> str:
    """As metric names may be: letters, digits and `_ . / -`."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "_./-") else "_" for one in name)[:100]


def _plain(value: Any) -> Any:
    """What JSON can hold as it is; of anything else how it is written, in short."""
    if (
        value is None
        or isinstance(value, bool | int | str)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value if not isinstance(value, str) else value[:VALUE_LENGTH_MAX]
    return repr(value)[:VALUE_LENGTH_MAX]


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (TypeError, ValueError):
        return False
