"""The npm package with the binary of this platform, installed where there is no Rust and no checkout."""

import json
import subprocess
import tarfile

import pytest

from conftest import ROOT

# The size in bytes that the native module must not exceed.
NATIVE_LIMIT = 4_000_000


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder], cwd=ROOT, check=True)
    (tarball,) = folder.glob("*.tgz")
    return tarball


@pytest.fixture(scope="session")
def project(tarball, environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text(json.dumps({"name": "clean", "private": True, "type": "module"}))
    subprocess.run(
        ["npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", tarball],
        cwd=folder,
        env=environment,
        check=True,
    )
    return folder


def test_it_needs_nothing_at_run_time(project):
    package = json.loads((project / "node_modules" / "loki-mode-sdk" / "package.json").read_text())
    assert not package.get("dependencies")


def test_it_carries_types_a_small_native_module_and_no_sources(tarball):
    with tarfile.open(tarball) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert any(name.endswith(".d.ts") for name in members)
    assert not [name for name in members if name.endswith(".rs")]
    (native,) = [member for name, member in members.items() if name.endswith(".node")]
    assert native.size <= NATIVE_LIMIT


def test_the_quick_start_runs(project, environment):
    (project / "quickstart.mjs").write_text((ROOT / "examples" / "quickstart.mjs").read_text())
    done = subprocess.run(["node", "quickstart.mjs"], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "API version" in done.stdout
    assert "is completed" in done.stdout or "is done" in done.stdout


def test_commonjs_and_modules_get_the_same_classes(project, environment):
    program = (
        "import { createRequire } from 'node:module'; import { NotFoundError } from 'loki-mode-sdk';"
        "const cjs = createRequire(import.meta.url)('loki-mode-sdk');"
        "if (cjs.NotFoundError !== NotFoundError) throw new Error('two classes');"
    )
    subprocess.run(["node", "--input-type=module", "-e", program], cwd=project, env=environment, check=True)
