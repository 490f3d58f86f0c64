"""A Hugging Face hub in miniature, on a loopback port: the routes that a snapshot download asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.patience import SECONDS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `repos` {owner/name: folder}, and revisions of them {owner/name@revision: folder}.

    `gated` and `spoiled` are the ids that refuse, and that change a byte.
    """

    def __init__(self, repos: dict[str, Path], gated: tuple[str, ...] = (), spoiled: tuple[str, ...] = ()) -> None:
        self.repos, self.gated, self.spoiled = repos, gated, spoiled
        self.fetched: list[str] = []  # files whose content was asked for
        self.open = threading.Event()  # cleared, it holds back the content of weights
        self.open.set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def log_message(self, *args) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = request.path.partition("?")[0].strip("/")
        is_api = path.startswith("api/models/")
        owner, name, kind, *rest = path.removeprefix("api/models/").split("/")
        repo = f"{owner}/{name}"
        if repo not in self.repos:
            return self._send(request, 404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        revision = rest[0] if rest else "main"
        commits = {name: _commit(name) for name in self.repos if name.startswith(f"{repo}@")}
        repo = next((key for key, sha in commits.items() if revision in (sha, key.partition("@")[2])), repo)
        if "@" not in repo and revision not in ("main", COMMIT):
            return self._send(request, 404, b"", {"X-Error-Code": "RevisionNotFound"}, body)
        commit = commits.get(repo, COMMIT)
        if is_api:
            listing = self._tree(repo) if kind == "tree" else {"id": repo, "sha": commit, "siblings": []}
            return self._send(request, 200, json.dumps(listing).encode(), {"Content-Type": "application/json"}, body)
        if repo in self.gated:
            return self._send(request, 403, b"", {"X-Error-Code": "GatedRepo"}, body)
        file = "/".join(rest[1:])
        if not (self.repos[repo] / file).is_file():
            return self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        content = (self.repos[repo] / file).read_bytes()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_oid(file, content)}"'}
        if body and file.endswith(".safetensors"):
            self.open.wait(SECONDS)
        if body:
            self.fetched.append(f"{repo}/{file}")
        if repo in self.spoiled and file.endswith(".safetensors"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        return self._send(request, 200, content, headers, body)

    def _tree(self, repo: str) -> list[dict]:
        listing = []
        for path in sorted(path for path in self.repos[repo].rglob("*") if path.is_file()):
            content, name = path.read_bytes(), path.relative_to(self.repos[repo]).as_posix()
            entry = {"type": "file", "path": name, "size": len(content), "oid": _oid(name, content)}
            if path.suffix in (".safetensors", ".bin"):
                entry["lfs"] = {"oid": entry["oid"], "size": len(content), "pointerSize": 134}
            listing.append(entry)
        return listing

    def _send(self, request, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if body:
            request.wfile.write(content)


def _commit(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()


def _oid(name: str, content: bytes) -> str:
    """Large files are known by their SHA-256, small ones by a shorter hash."""
    return (hashlib.sha256 if name.endswith((".safetensors", ".bin")) else hashlib.sha1)(content).hexdigest()
