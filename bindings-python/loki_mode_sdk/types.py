"""Names for annotations: the known values of what the API calls a status, a role, a priority.

Each is a `Literal`. Methods take, and fields have, any other string as well: they say `RunStatus | str`.
`typing.get_args(RunStatus)` is the tuple of the values.
"""

from loki_mode_sdk.generated import known as _known
from loki_mode_sdk.generated.known import *  # noqa: F403 - its __all__ says what
from loki_mode_sdk.generated.live import LiveEventType

__all__ = ["LiveEventType"]
__all__ += _known.__all__
