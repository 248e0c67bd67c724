"""SDK for the Autonomi Control Plane, the API of the Loki Mode dashboard.

Start with `AutonomiClient`; whatever goes wrong is an `AutonomiError`.
"""

try:
    from loki_mode_sdk._native import __version__, parse_timestamp
except ImportError as _error:
    if "interpreter" in str(_error):
        raise ImportError(
            "loki_mode_sdk cannot be imported into a subinterpreter. Under mod_wsgi, run the "
            "application in the main one: WSGIApplicationGroup %{GLOBAL}"
        ) from _error
    raise

from loki_mode_sdk import errors as _errors
from loki_mode_sdk.client import AutonomiClient, Client, InsecureTransportWarning, TokenAuth
from loki_mode_sdk.errors import *  # noqa: F403 - its __all__ says what
from loki_mode_sdk.events import EventStream
from loki_mode_sdk.generated import managers as _managers
from loki_mode_sdk.generated import models as _models
from loki_mode_sdk.generated.managers import *  # noqa: F403 - its __all__ says what
from loki_mode_sdk.generated.models import *  # noqa: F403 - its __all__ says what

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loki_mode_sdk import webhooks as webhooks
    from loki_mode_sdk.aio import AsyncAutonomiClient, AsyncClient, AsyncSessionManager, AsyncTaskManager
    from loki_mode_sdk.aio_helpers import AsyncTemporaryApiKey
    from loki_mode_sdk.aio_loki import AsyncLokiClient
    from loki_mode_sdk.aio_streams import (
        AsyncDashboardStream,
        AsyncEventStream,
        AsyncLiveEventStream,
        AsyncPager,
        AsyncRunFollower,
    )
    from loki_mode_sdk.keys import KeyRotation, TemporaryApiKey
    from loki_mode_sdk.loki_client import LokiClient
    from loki_mode_sdk.raw import Headers, RawResponse
    from loki_mode_sdk.records import CreatedApiKey, RotatedApiKey
    from loki_mode_sdk.streams import DashboardStream, LiveEventStream, Pager, RunFollower
else:
    # Few programs use all of these, and what they are made of takes longer to import than all of the rest.
    _LATER = {
        "AsyncAutonomiClient": "aio",
        "AsyncClient": "aio",
        "AsyncDashboardStream": "aio_streams",
        "AsyncEventStream": "aio_streams",
        "AsyncLiveEventStream": "aio_streams",
        "AsyncLokiClient": "aio_loki",
        "AsyncPager": "aio_streams",
        "AsyncRunFollower": "aio_streams",
        "AsyncSessionManager": "aio",
        "AsyncTaskManager": "aio",
        "AsyncTemporaryApiKey": "aio_helpers",
        "CreatedApiKey": "records",
        "DashboardStream": "streams",
        "Headers": "raw",
        "KeyRotation": "keys",
        "LiveEventStream": "streams",
        "LokiClient": "loki_client",
        "Pager": "streams",
        "RawResponse": "raw",
        "RotatedApiKey": "records",
        "RunFollower": "streams",
        "TemporaryApiKey": "keys",
        "webhooks": "webhooks",
    }

    def __getattr__(name):
        module = _LATER.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        found = importlib.import_module(f"{__name__}.{module}")
        return found if name == module else getattr(found, name)


__all__ = [
    "AsyncAutonomiClient",
    "AsyncClient",
    "AsyncDashboardStream",
    "AsyncEventStream",
    "AsyncLiveEventStream",
    "AsyncLokiClient",
    "AsyncPager",
    "AsyncRunFollower",
    "AsyncSessionManager",
    "AsyncTaskManager",
    "AsyncTemporaryApiKey",
    "AutonomiClient",
    "Client",
    "CreatedApiKey",
    "DashboardStream",
    "EventStream",
    "Headers",
    "InsecureTransportWarning",
    "KeyRotation",
    "LiveEventStream",
    "LokiClient",
    "Pager",
    "RawResponse",
    "RotatedApiKey",
    "RunFollower",
    "TemporaryApiKey",
    "TokenAuth",
    "__version__",
    "parse_timestamp",
]
__all__ += _errors.__all__
__all__ += _managers.__all__
__all__ += _models.__all__
