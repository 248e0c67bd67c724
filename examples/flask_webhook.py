"""A Flask webhook handler that marks tasks as completed in the Control Plane.

    flask --app examples/flask_webhook run
    gunicorn --chdir examples 'flask_webhook:app'

Settings, from the environment:
    LOKI_BASE_URL        the Control Plane (default http://localhost:57374)
    LOKI_API_TOKEN       a token that may update tasks
    LOKI_WEBHOOK_SECRET  if set, requests must carry X-Loki-Signature: the HMAC-SHA256 of the raw body, in hex
"""

import hashlib
import hmac
import os

from flask import Flask, abort, request

from loki_mode_sdk import AutonomiClient, AutonomiError, NotFoundError, TaskManager

app = Flask(__name__)
client = AutonomiClient(
    base_url=os.environ.get("LOKI_BASE_URL", "http://localhost:57374"),
    token=os.environ.get("LOKI_API_TOKEN"),
    timeout=10,
)
tasks = TaskManager(client)
secret = os.environ.get("LOKI_WEBHOOK_SECRET")


def signature_is_right():
    given = request.headers.get("X-Loki-Signature", "")
    if given.startswith("sha256="):
        given = given[len("sha256=") :]
    expected = hmac.new(secret.encode(), request.get_data(), hashlib.sha256).hexdigest()
    # As bytes: compare_digest refuses a str that is not ASCII, which a sender could use to cause a 500.
    return hmac.compare_digest(expected.encode(), given.lower().encode())


@app.route("/webhook", methods=["POST"])
def handle_webhook():
    if secret and not signature_is_right():
        abort(401)
    payload = request.get_json(silent=True)
    if not isinstance(payload, dict):
        return {"ok": False, "error": "the body must be a JSON object"}, 400

    # The guide says `type` and `task_completed`; the servers in use send `event` and `task_complete`.
    event_type = payload.get("type") or payload.get("event")
    if event_type not in ("task_completed", "task_complete"):
        return {"ok": True}

    task_id = payload.get("task_id") or (payload.get("metadata") or {}).get("task_id")
    if task_id is None:
        return {"ok": True, "note": "no task_id, nothing to update"}
    try:
        tasks.update_task(task_id, status="completed")
    except NotFoundError:
        return {"ok": False, "error": f"no task {task_id}"}, 404
    except AutonomiError as error:
        app.logger.error("could not update task %s: %s", task_id, error)
        return {"ok": False, "error": "the Control Plane did not take the update"}, 502
    return {"ok": True}
