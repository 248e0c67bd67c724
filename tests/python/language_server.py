"""What an editor asks of pyright, and what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


class LanguageServer:
    """`pyright-langserver` with one file open."""

    def __init__(self, folder: Path, search_path: Path) -> None:
        config = {"extraPaths": [str(search_path)], "typeCheckingMode": "strict"}
        (folder / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
        self._folder, self._count = folder, 0

    def __enter__(self) -> LanguageServer:
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self._folder
        )
        uri = self._folder.as_uri()
        self._ask(
            "initialize", processId=None, rootUri=uri, capabilities={}, workspaceFolders=[{"uri": uri, "name": "x"}]
        )
        self._tell("initialized")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait(10)

    def completions(self, program: str) -> set[str]:
        """What is offered where the program has a `|`."""
        found = self._at("textDocument/completion", program)
        return {item["label"].strip("\"'") for item in found["items"]}

    def hover(self, program: str) -> str:
        """What is shown for the name after which the program has a `|`."""
        return self._at("textDocument/hover", program)["contents"]["value"]

    def _at(self, question: str, program: str) -> dict:
        before, after = program.split("|")
        self._count += 1
        uri = (self._folder / f"program{self._count}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": before + after}
        self._tell("textDocument/didOpen", textDocument=document)
        lines = before.split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1]) - (question == "textDocument/hover")}
        return self._ask(question, textDocument={"uri": uri}, position=position)

    def _tell(self, method: str, **params: object) -> None:
        self._send({"method": method, "params": params})

    def _ask(self, method: str, **params: object) -> dict:
        self._send({"id": method, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": [None] if "items" in message.get("params", {}) else None})
            elif message.get("id") == method:
                return message["result"]

    def _send(self, message: dict) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict:
        length = 0
        while (line := self._process.stdout.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if not length:
            raise EOFError("the language server ended")
        return json.loads(self._process.stdout.read(length))
