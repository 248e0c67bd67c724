"""examples/rotate_key.py, run as in CI: the new token is where it should be, and nowhere else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from keys_support import works
from servers import ROOT


@pytest.fixture
def key(client):
    return client.create_api_key(f"ci-{time.time_ns()}", "operator")


@pytest.fixture
def rotate(control_plane, tmp_path):
    def rotate(*arguments, **environment):
        settings = {"LOKI_BASE_URL": control_plane.base_url, "LOKI_API_TOKEN": control_plane.TOKEN}
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / "rotate_key.py"), *arguments],
            cwd=tmp_path,
            env={**os.environ, **settings, **environment},
            capture_output=True,
            encoding="utf-8",
        )

    return rotate


@pytest.mark.parametrize("delete", [False, True])
def test_into_a_file(client, key, rotate, tmp_path, delete):
    file = tmp_path / "token.txt"
    done = rotate("--key", key.id, "--output", str(file), *(["--delete-old"] if delete else []))
    assert done.returncode == 0, done.stderr
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (works(client, token), works(client, key.token)) == (True, not delete)
    assert f"the old key ({key.id}) {'was deleted' if delete else 'works until 2'}" in done.stdout
    assert token not in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["token.txt"]


def test_into_the_output_of_a_step(client, key, rotate, tmp_path):
    output = tmp_path / "output"
    done = rotate("--key", key.id, "--github-output", "TOKEN", GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    token = output.read_text().strip().partition("TOKEN=")[2]
    assert works(client, token)
    assert done.stdout.splitlines()[0] == f"::add-mask::{token}"
    assert done.stdout.count(token) == 1


def test_through_a_link(client, key, rotate, tmp_path):
    (tmp_path / "token.txt").write_text("old")
    (tmp_path / "link").symlink_to("token.txt")
    done = rotate("--key", key.id, "--output", str(tmp_path / "link"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "link").is_symlink()
    assert works(client, (tmp_path / "token.txt").read_text().strip())


def test_a_token_that_cannot_be_stored_leaves_the_old_key(client, key, rotate):
    done = rotate("--key", key.id, "--github-output", "TOKEN", "--delete-old", GITHUB_OUTPUT="/dev/full")
    assert done.returncode == 1
    assert "storing its new token failed" in done.stderr
    assert f"the old key ({key.id}) works until" in done.stderr
    assert "Traceback" not in done.stderr
    assert "loki_" not in done.stdout.partition("::add-mask::loki_")[2] + done.stderr
    assert works(client, key.token)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_nothing_is_rotated_where_no_file_can_be(client, key, rotate, tmp_path, kind):
    output = tmp_path / "token"
    output.mkdir() if kind == "folder" else os.mkfifo(output)
    done = rotate("--key", key.id, "--output", str(output), "--delete-old")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"nothing was rotated, the output cannot be written: {output} is no regular file" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert not output.is_file()
    assert len([listed for listed in client.list_api_keys() if listed.name.startswith(key["name"])]) == 1


def test_a_key_that_does_not_exist(rotate, tmp_path):
    done = rotate("--key", "nobody", "--output", str(tmp_path / "token.txt"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
