"""Every example in the documentation runs; the first one of a page prints what the page says, on every server."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from servers import ROOT, ControlPlane

# `api.md` is generated, and shows signatures.
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "api")
# What a page is about may be found in one language only.
OF_ONE_LANGUAGE = {"async": "python", "node": "javascript"}
PROFILES = ["guide", "v5.51", "v9.22"]


# Where a real server does otherwise: it has no pages of projects; a key without a tenant sees no projects.
ELSEWHERE = {
    ("pagination", "v5.51"): ("2 projects\n1 projects\n", "3 projects\n"),
    ("keys", "v9.22"): ("3 projects", "0 projects"),
}

BLOCK = re.compile(
    r"(?:^<!-- run with:\n(?P<setup>[^>]*?)^-->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
# `await` may stand at the top of an example.
RUN = (
    "import ast, asyncio, sys\n"
    "code = compile(sys.stdin.read(), 'example', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
    "waiting = eval(code, {'__name__': '__main__'})\n"
    "if waiting is not None: asyncio.run(waiting)\n"
)


def blocks(page: str) -> list[re.Match[str]]:
    path = ROOT / f"{page}.md" if page == "README" else ROOT / "docs" / f"{page}.md"
    return list(BLOCK.finditer(path.read_text("utf-8")))


def run(program: str, server: ControlPlane, folder: object) -> str:
    # The guide's own words stand for the address and the token of a server.
    program = program.replace("http://localhost:57374", server.base_url).replace("loki_your_token_here", server.TOKEN)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN],
        input=program,
        cwd=folder,
        env={**os.environ, "LOKI_BASE_URL": server.base_url, "LOKI_API_TOKEN": server.TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_an_example(page):
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    assert re.match(rf"# .+\n\n```{OF_ONE_LANGUAGE.get(page, 'python')}\n", text)
    languages = [block["language"] for block in blocks(page)]
    expected = (
        [[OF_ONE_LANGUAGE[page], "text"]]
        if page in OF_ONE_LANGUAGE
        else [["python", kind, "text"] for kind in ("javascript", "typescript")]
    )
    assert any(languages[: len(each)] == each for each in expected)


@pytest.mark.parametrize("page", [page for page in PAGES if OF_ONE_LANGUAGE.get(page, "python") == "python"])
@pytest.mark.parametrize("profile", PROFILES)
def test_the_first_example_prints_what_the_page_says(page, profile, tmp_path):
    program = blocks(page)[0]["code"]
    said = next(block["code"] for block in blocks(page) if block["language"] == "text")
    with ControlPlane(profile) as server:
        assert run(program, server, tmp_path) == said.replace(*ELSEWHERE.get((page, profile), ("", "")))


OTHERS = [
    pytest.param(block, profile, id=f"{page}-{number}-{profile}")
    for page in ["README", *PAGES]
    for number, block in enumerate(blocks(page))
    if block["language"] == "python" and (number > 0 or page == "README")
    for profile in PROFILES
]


@pytest.mark.parametrize(("block", "profile"), OTHERS)
def test_every_other_example_runs(block, profile, tmp_path):
    with ControlPlane(profile) as server:
        printed = run((block["setup"] or "") + block["code"], server, tmp_path)
    # What a comment behind `print` says is printed.
    for said in re.findall(r"^ *print\(.*\)  # (.+)$", block["code"], re.MULTILINE):
        assert said in printed.splitlines()
