"""What of a request a server does for its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..networks.weights import SHIPPED, is_shipped
from .request import DEFAULTS, list_fields


def check_for_server(asked: Mapping[str, Any]) -> None:
    """Refuse what a server does not do for its clients, who have no say in its device and its files.

    Args:
        asked: values by the names of fields; None where one is not given.

    Raises:
        UsageError: a field that is not for a server, or weights of one's own.
    """
    for name in (name for name in list_fields() if name not in list_fields(to_server=True)):
        if asked.get(name) not in (None, DEFAULTS[name]):
            raise UsageError(f"{name} {asked[name]}: is not for a server; leave it out, or compute without a server")
    weights = asked.get("weights")
    if weights is not None and not is_shipped(weights):
        raise UsageError(f"weights {weights!r}: a server has only the shipped ones; choose from {', '.join(SHIPPED)}")
