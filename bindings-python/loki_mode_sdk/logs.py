"""Log lines on stderr for whoever sets `LOKI_LOG`; imported only then."""

from __future__ import annotations

import logging

from loki_mode_sdk.errors import ConfigError

_LEVELS = {"debug": logging.DEBUG, "off": None}


def write_to_stderr(level: str) -> None:
    """Sends what the logger `loki_mode_sdk` has to say to stderr, beside the handlers of the program.

    Args:
        level: `debug` for a line on each attempt, or `off`.

    Raises:
        ConfigError: It is neither.
    """
    if level.lower() not in _LEVELS:
        raise ConfigError(f"LOKI_LOG must be debug or off, not {level!r}", param="LOKI_LOG")
    number = _LEVELS[level.lower()]
    if number is None:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logger = logging.getLogger("loki_mode_sdk")
    logger.addHandler(handler)
    logger.setLevel(number)
