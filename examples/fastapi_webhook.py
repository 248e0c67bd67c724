"""A FastAPI webhook handler that marks tasks as completed in the Control Plane.

    uvicorn --app-dir examples fastapi_webhook:app

Settings, from the environment:
    LOKI_BASE_URL            the Control Plane (default http://localhost:57374)
    LOKI_API_TOKEN           a token that may update tasks
    LOKI_WEBHOOK_SECRET      webhooks must be signed with it (docs/webhooks.md says how)
    LOKI_WEBHOOK_OLD_SECRET  the one before it, while senders still use it
"""

import logging
import os

from fastapi import Depends, FastAPI, HTTPException, Request

from loki_mode_sdk import AutonomiClient, AutonomiError, DecodeError, NotFoundError, TaskManager, webhooks

app = FastAPI()
client = AutonomiClient(
    base_url=os.environ.get("LOKI_BASE_URL", "http://localhost:57374"),
    token=os.environ.get("LOKI_API_TOKEN"),
    timeout=10,
)
tasks = TaskManager(client)
secrets = [os.environ.get("LOKI_WEBHOOK_SECRET"), os.environ.get("LOKI_WEBHOOK_OLD_SECRET")]


async def verified_event(request: Request) -> webhooks.WebhookEvent:
    """The event of a request that is signed; without a secret none is."""
    try:
        return webhooks.unwrap(await request.body(), request.headers, secrets)
    except webhooks.WebhookVerificationError as error:
        logging.warning("webhook refused: %s", error)
        raise HTTPException(401, error.reason) from error
    except DecodeError as error:
        raise HTTPException(400, str(error)) from error


# Not `async`: so FastAPI calls it on a thread, where it may wait for the Control Plane.
@app.post("/webhook")
def handle_webhook(event: webhooks.WebhookEvent = Depends(verified_event)):  # noqa: B008 - how FastAPI asks for it
    if event.type != "task_completed":
        return {"ok": True}
    if event.task_id is None:
        return {"ok": True, "note": "no task_id, nothing to update"}
    try:
        tasks.update_task(event.task_id, status="completed")
    except NotFoundError as error:
        raise HTTPException(404, f"no task {event.task_id}") from error
    except AutonomiError as error:
        logging.error("could not update task %s: %s", event.task_id, error)
        raise HTTPException(502, "the Control Plane did not take the update") from error
    return {"ok": True}
