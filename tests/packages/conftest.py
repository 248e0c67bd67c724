"""A server, and an environment in which nothing of the checkout or of Rust can be found."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "loki_packages_test_token"


@pytest.fixture(scope="session")
def server():
    command = [os.environ["LOKI_CONTROL_PLANE"], "--port", "0", "--seed", "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="session")
def environment(server, tmp_path_factory):
    """The environment variables of a machine that has Node.js but no Rust, and no trace of the checkout."""
    tools = tmp_path_factory.mktemp("bin")
    for tool in ("node", "npm", "npx", "sh", "bash", "env"):
        (tools / tool).symlink_to(shutil.which(tool))
    env = {
        "PATH": str(tools),
        "HOME": os.environ.get("HOME", "/"),
        "LOKI_BASE_URL": server,
        "LOKI_API_TOKEN": TOKEN,
    }
    assert shutil.which("cargo", path=env["PATH"]) is None
    return env
