"""SDK of OptAIC MLOps: tracking, registry, data, pipelines and the base classes of model definitions.

`from optaic.mlops import tracking, registry, pipeline` or `from optaic.mlops import Client`. Nothing is
imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optaic.mlops.client import AsyncClient, Client, Refused

_CLIENT = ("AsyncClient", "Client", "Refused")
__all__ = ["AsyncClient", "Client", "Refused"]


def __getattr__(name: str) -> object:
    if name in _CLIENT:
        return getattr(import_module("optaic.mlops.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
