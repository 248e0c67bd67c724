"""What tests of API keys look at: whether a token works, which keys there are, and until when."""

from __future__ import annotations

from datetime import datetime, timezone

from loki_mode_sdk import AuthenticationError


def works(client, token):
    """Whether the server takes this token."""
    with client.with_options(token=token) as other:
        try:
            other.list_api_keys()
        except AuthenticationError:
            return False
        return True


def key_ids(client):
    """The identifiers of all keys."""
    return [key.id for key in client.list_api_keys()]


def hours_until(moment):
    """How far away the moment is that a server has written."""
    left = datetime.fromisoformat(moment.replace("Z", "+00:00")) - datetime.now(timezone.utc)
    return left.total_seconds() / 3600


def sent(fault_server):
    """The requests that have come."""
    return [f"{seen['method']} {seen['path']}" for seen in fault_server.recorded()["requests"]]
