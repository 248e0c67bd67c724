"""The first example of a page in `docs/` runs and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from servers import ROOT, ControlPlane

PAGES = ["configuration", "time", "webhooks"]
# Those that talk to a server.
PAGES_WITH_SERVER = ["events", "keys", "pagination", "waiting"]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_first_example_prints_what_the_page_says(page, tmp_path):
    program = blocks(page, "python")[0]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    assert done.stdout == blocks(page, "text")[0]


@pytest.mark.parametrize("page", PAGES_WITH_SERVER)
def test_the_first_example_does_to_a_server_what_the_page_says(page, tmp_path):
    program = blocks(page, "python")[0]
    with ControlPlane("guide") as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**os.environ, "LOKI_BASE_URL": server.base_url, "LOKI_API_TOKEN": server.TOKEN},
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
    assert done.stdout == blocks(page, "text")[0]
