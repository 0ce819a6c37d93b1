"""The documented part of Grafana's HTTP API that publishing uses, over real HTTP, in memory.

Written after the API reference: uid rules, status codes, secrets that never come back, fields that
the server adds by itself. Only a real Grafana could prove more.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = dict[str, Any]


class GrafanaStandIn:
    """A server on loopback; `calls` lists each request as (method, path)."""

    def __init__(self) -> None:
        self.token = "good-token"
        self.calls: list[tuple[str, str]] = []
        self.folders: dict[str, JSON] = {}
        self.sources: dict[str, JSON] = {}
        self.secrets: dict[str, JSON] = {}
        self.walls: dict[str, JSON] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                stand_in.calls.append((self.command, self.path))
                if self.headers.get("Authorization") != f"Bearer {stand_in.token}":
                    status, answer = 401, {"message": "Unauthorized"}
                else:
                    status, answer = stand_in.answer(self.command, self.path, body)
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server wants these names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def answer(self, method: str, path: str, body: JSON) -> tuple[int, JSON]:
        route = (method, path.removeprefix("/api").rsplit("/", 1)[0] or path)
        uid = path.rsplit("/", 1)[1]
        readable = {
            "/folders": (self.folders, "folder not found"),
            "/datasources/uid": (self.sources, "Data source not found"),
            "/dashboards/uid": (self.walls, "Dashboard not found"),
        }
        writable = {
            "/api/folders": self._make_folder,
            "/api/datasources": self._make_source,
            "/api/dashboards/db": self._put_wall,
        }
        if method == "GET" and route[1] in readable:
            things, missing = readable[route[1]]
            return self._found(things.get(uid), missing)
        if method == "POST" and path in writable:
            return writable[path](body)
        if route == ("PUT", "/datasources/uid") and uid in self.sources:
            return self._put_source(uid, body)
        return 404, {"message": "Not found"}

    @staticmethod
    def _found(thing: JSON | None, missing: str) -> tuple[int, JSON]:
        return (200, thing) if thing is not None else (404, {"message": missing})

    def _make_folder(self, body: JSON) -> tuple[int, JSON]:
        if body["uid"] in self.folders:
            return 412, {"message": "the folder has been changed by someone else"}
        self.folders[body["uid"]] = {**body, "id": len(self.folders) + 1, "version": 1}
        return 200, self.folders[body["uid"]]

    def _make_source(self, body: JSON) -> tuple[int, JSON]:
        if any(source["name"] == body["name"] for source in self.sources.values()):
            return 409, {"message": "data source with the same name already exists"}
        if len(body["uid"]) > 40:
            return 400, {"message": "uid too long"}
        return self._put_source(body["uid"], body)

    def _put_source(self, uid: str, body: JSON) -> tuple[int, JSON]:
        kept = {key: value for key, value in body.items() if key != "secureJsonData"}
        self.secrets[uid] = body.get("secureJsonData", {})
        version = self.sources.get(uid, {}).get("version", 0) + 1
        fields = dict.fromkeys(self.secrets[uid], True)
        self.sources[uid] = {
            "id": 1,
            "orgId": 1,
            "user": "",
            "database": "",
            "basicAuth": False,
            "readOnly": False,
            **kept,
            "secureJsonFields": fields,
            "version": version,
        }
        return 200, {"datasource": self.sources[uid], "message": "Datasource added"}

    def _put_wall(self, body: JSON) -> tuple[int, JSON]:
        wall = body["dashboard"]
        if not wall.get("title"):
            return 400, {"message": "Dashboard title cannot be empty"}
        if len(wall["uid"]) > 40:
            return 400, {"message": "uid too long, max 40 characters"}
        if body.get("folderUid") not in self.folders:
            return 400, {"message": "folder not found"}
        before = self.walls.get(wall["uid"])
        if before is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed", "status": "version-mismatch"}
        version = before["dashboard"]["version"] + 1 if before else 1
        url = f"/d/{wall['uid']}/wall"
        self.walls[wall["uid"]] = {
            "dashboard": {**wall, "id": 7, "version": version},
            "meta": {"folderUid": body["folderUid"], "url": url, "provisioned": False},
        }
        return 200, {"status": "success", "uid": wall["uid"], "url": url, "version": version}
