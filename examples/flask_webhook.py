"""A Flask webhook handler that marks tasks as completed in the Control Plane.

    flask --app examples/flask_webhook run
    gunicorn --chdir examples 'flask_webhook:app'

Settings, from the environment:
    LOKI_BASE_URL            the Control Plane (default http://localhost:57374)
    LOKI_API_TOKEN           a token that may update tasks
    LOKI_WEBHOOK_SECRET      if set, webhooks must be signed with it (docs/webhooks.md says how)
    LOKI_WEBHOOK_OLD_SECRET  the one before it, while senders still use it
"""

import os

from flask import Flask, request

from loki_mode_sdk import AutonomiClient, AutonomiError, DecodeError, NotFoundError, TaskManager, webhooks

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1_000_000
client = AutonomiClient(
    base_url=os.environ.get("LOKI_BASE_URL", "http://localhost:57374"),
    token=os.environ.get("LOKI_API_TOKEN"),
    timeout=10,
)
tasks = TaskManager(client)
secrets = [os.environ.get("LOKI_WEBHOOK_SECRET"), os.environ.get("LOKI_WEBHOOK_OLD_SECRET")]


@app.route("/webhook", methods=["POST"])
def handle_webhook():
    body = request.get_data()
    try:
        event = webhooks.unwrap(body, request.headers, secrets) if any(secrets) else webhooks.parse(body)
    except webhooks.WebhookVerificationError as error:
        app.logger.warning("webhook refused: %s", error)
        return {"ok": False, "error": error.reason}, 401
    except DecodeError as error:
        return {"ok": False, "error": str(error)}, 400

    if event.type != "task_completed":
        return {"ok": True}
    if event.task_id is None:
        return {"ok": True, "note": "no task_id, nothing to update"}
    try:
        tasks.update_task(event.task_id, status="completed")
    except NotFoundError:
        return {"ok": False, "error": f"no task {event.task_id}"}, 404
    except AutonomiError as error:
        app.logger.error("could not update task %s: %s", event.task_id, error)
        return {"ok": False, "error": "the Control Plane did not take the update"}, 502
    return {"ok": True}
