"""Files that a Grafana reads at start: the data source and the wall, as code.

YAML files hold JSON, which is YAML; no secret is ever in them, only names of environment variables
that Grafana itself fills in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from core.community import Community
from dashboards.grafana.wall import duty_wall, wall_uid
from ingest.history.settings import HistorySettings

FOLDER_UID = "safety-eye"
FOLDER_TITLE = "平安眼 Safety Eye"
PASSWORD_VARIABLE = "SAFETY_EYE_INFLUX_PASSWORD"  # noqa: S105 - a variable's name
TOKEN_VARIABLE = "SAFETY_EYE_INFLUX_TOKEN"  # noqa: S105 - a variable's name


class GrafanaSettingsError(ValueError):
    """Grafana can't show this history; the message says which one it can."""


def datasource_uid(site: str) -> str:
    """Return the uid of a site's data source; at most 40 characters, as Grafana wants."""
    return f"se-influx-{site}"[:40]


def datasource(
    community: Community, history: HistorySettings, *, password: str = "", token: str = ""
) -> dict[str, Any]:
    """Return the data source, in the shape that files and the HTTP API share.

    Args:
        community: Names it.
        history: Where the history is; InfluxDB only.
        password: What stands as password (1.x): a secret or a `${VARIABLE}`.
        token: What stands as token (2.x, 3.x): a secret or a `${VARIABLE}`.

    Raises:
        GrafanaSettingsError: The history is not an InfluxDB.
    """
    if not history.kind.startswith("influx-"):
        raise GrafanaSettingsError(
            f"history.kind {history.kind!r}: Grafana reads influx-v1, influx-v2 or influx-v3; "
            "the embedded history is shown by the console"
        )
    site = community.site
    json_data: dict[str, Any] = {
        "dbName": history.database,
        "httpMode": "POST",
        "timeInterval": "10s",
        "version": "InfluxQL",
    }
    source: dict[str, Any] = {
        "name": f"Safety Eye {site.id}",
        "uid": datasource_uid(site.id),
        "type": "influxdb",
        "access": "proxy",
        "url": history.url,
        "isDefault": False,
        "jsonData": json_data,
    }
    if history.kind == "influx-v1":
        if history.username:
            source |= {"user": history.username, "secureJsonData": {"password": password}}
        return source
    scheme = "Token" if history.kind == "influx-v2" else "Bearer"
    json_data["httpHeaderName1"] = "Authorization"
    source["secureJsonData"] = {"httpHeaderValue1": f"{scheme} {token}"}
    return source


def write_provisioning(
    directory: Path,
    community: Community,
    history: HistorySettings,
    *,
    console_url: str,
    dashboards_path: str = "",
) -> list[Path]:
    """Write everything that goes under Grafana's `provisioning` directory.

    Args:
        directory: Where to write; made if it is not there.
        community: The profile.
        history: Where the history is, as Grafana's machine reaches it.
        console_url: Where people take incidents over.
        dashboards_path: Where Grafana's machine will find the `walls` directory; by default the
            one that is written here.

    Returns:
        The files, in the order in which they were written.

    Raises:
        GrafanaSettingsError: The history is not an InfluxDB.
        OSError: A file can't be written.
    """
    source = datasource(
        community,
        _escaped(history),
        password=f"${{{PASSWORD_VARIABLE}}}",
        token=f"${{{TOKEN_VARIABLE}}}",
    )
    walls = directory / "walls"
    provider = {
        "name": f"safety-eye-{community.site.id}",
        "folder": FOLDER_TITLE,
        "folderUid": FOLDER_UID,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": dashboards_path or str(walls.resolve())},
    }
    wall = duty_wall(community, source["uid"], console_url)
    contents: dict[Path, tuple[str, dict[str, Any]]] = {
        directory / "datasources" / "safety-eye.yaml": (
            "# Data source of Safety Eye. JSON is YAML. Secrets come from the environment.\n",
            {"apiVersion": 1, "datasources": [{**source, "editable": False}]},
        ),
        directory / "dashboards" / "safety-eye.yaml": (
            "# Where Grafana finds the wall. JSON is YAML.\n",
            {"apiVersion": 1, "providers": [provider]},
        ),
        walls / f"{wall_uid(community.site.id)}.json": ("", wall),
    }
    for path, (comment, content) in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, ensure_ascii=False, indent=2)
        path.write_text(f"{comment}{text}\n", encoding="utf-8")
    return list(contents)


def _escaped(history: HistorySettings) -> HistorySettings:
    """Double each dollar sign: Grafana fills in `$NAME` in these files."""
    return msgspec.structs.replace(
        history,
        url=history.url.replace("$", "$$"),
        database=history.database.replace("$", "$$"),
        username=history.username.replace("$", "$$"),
    )
