"""The whole story in one go, against a Control Plane of its own: `make demo`.

Starts `loki-control-plane` on a free port, runs both quick starts, follows a run to its end, rotates a key and shows
that old and new work, verifies the audit chain, and leaves nothing behind.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from loki_mode_sdk import AutonomiClient

ROOT = Path(__file__).resolve().parent.parent
CONTROL_PLANE = os.environ.get("LOKI_CONTROL_PLANE", str(ROOT / "target" / "debug" / "loki-control-plane"))


def heading(text):
    line = f"── {text} "
    print(f"\n{line}{'─' * (78 - len(line))}", flush=True)


@contextmanager
def control_plane(folder, token):
    """A demo server on a free port; gives its base URL and ends the server whatever happens."""
    command = [CONTROL_PLANE, "--port", "0", "--demo", "--token", token, "--data", str(folder / "control-plane.db")]
    # In a session of its own, so that Ctrl-C reaches this program alone, which then ends the server in good order.
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdout
    try:
        base_url = server.stdout.readline().strip()
        if not base_url.startswith("http"):
            raise SystemExit(f"the control plane did not start: {' '.join(command[:-4])} …")
        yield base_url
    finally:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def run(*command, env):
    subprocess.run(command, env=env, cwd=ROOT, check=True)


def works(base_url, token):
    with AutonomiClient(base_url=base_url, token=token) as client:
        return f"works, sees {len(client.list_api_keys())} keys"


def demo(folder):
    admin_token = "loki_" + secrets.token_urlsafe(32)
    with control_plane(folder, admin_token) as base_url:
        print(f"Control Plane at {base_url}, data in {folder}")
        env = {**os.environ, "LOKI_BASE_URL": base_url, "LOKI_API_TOKEN": admin_token}

        heading("Python: examples/quickstart.py")
        run(sys.executable, "examples/quickstart.py", env=env)

        heading("Node: examples/quickstart.mjs")
        run("node", "examples/quickstart.mjs", env=env)

        heading("A run, followed to its end: examples/follow_run.py")
        run(sys.executable, "examples/follow_run.py", env=env)

        heading("A key, rotated: examples/rotate_key.py")
        with AutonomiClient(base_url=base_url, token=admin_token) as client:
            old_token = client.create_api_key("demo-pipeline", role="operator")["token"]
            token_file = folder / "token.txt"
            run(
                sys.executable,
                "examples/rotate_key.py",
                "--key=demo-pipeline",
                "--grace-hours=24",
                f"--output={token_file}",
                env=env,
            )
            print(f"old token  {works(base_url, old_token)}")
            print(f"new token  {works(base_url, token_file.read_text().strip())}")

            heading("The audit chain")
            for entry in client.query_audit(limit=5):
                print(f"  {entry.timestamp}  {entry.action} {entry.resource_type}/{entry.resource_id}")
            result = client.verify_audit()
            if not result.valid:
                raise SystemExit("AUDIT CHAIN COMPROMISED")
            print(f"chain valid: {result.entries_checked} entries verified")
    print("\nThe demo is over; the server has stopped and its data is gone.")


def main():
    # A plain `kill` cleans up like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="loki-demo-") as folder:
        demo(Path(folder))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped; everything was cleaned up", file=sys.stderr)
        raise SystemExit(130) from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(map(str, error.cmd))} failed with status {error.returncode}") from None
