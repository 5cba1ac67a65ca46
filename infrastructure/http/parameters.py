"""Query parameters that an address does not have are refused: a typo must not widen a question."""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute

from infrastructure.http.errors import RequestParameterMalformed, RequestParameterUnknown

REPEATABLE = frozenset({"entity", "column", "name"})
"""Parameters that may come several times."""
_METRIC = "metric."
_LISTS_BY_METRIC = "/runs"
"""The list that takes `metric.<name>=gt:0.02`."""

_NAMES: dict[int, frozenset[str]] = {}
"""The query parameters of each route; routes live as long as the process."""


async def known_parameters_only(request: Request) -> None:
    """Raises RequestParameterUnknown, RequestParameterMalformed."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    by_metric = request.method == "GET" and request.url.path.endswith(_LISTS_BY_METRIC)
    allowed = _names(route)
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in allowed and not (by_metric and name.startswith(_METRIC)):
            raise RequestParameterUnknown(
                f"there is no parameter {name!r} here", parameter=name, known=sorted(allowed)
            )
        if name in seen and name not in REPEATABLE:
            raise RequestParameterMalformed(f"{name!r} is there twice", parameter=name)
        seen.add(name)


def _names(route: APIRoute) -> frozenset[str]:
    known = _NAMES.get(id(route))
    if known is None:
        parameters = get_flat_params(route.dependant)
        known = frozenset(one.alias for one in parameters if one.field_info.in_ is ParamTypes.query)  # pyright: ignore[reportAttributeAccessIssue]
        _NAMES[id(route)] = known
    return known
