"""The wall and its files: built from the profile, every query proven on a real InfluxDB."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.community import Community
from core.finding import Condition, Hazard, ZoneGrade
from core.grade import Grade
from core.quality import Quality, Reason
from core.quantity import FACTS
from core.reading import Reading
from dashboards.grafana import GrafanaSettingsError, duty_wall, write_provisioning
from dashboards.grafana.colours import state_mappings, threshold_steps
from dashboards.grafana.provisioning import datasource
from dashboards.grafana.publication import PublishError, publish
from ingest.history.base import Series, StationState
from ingest.history.line_protocol import LineEncoder
from ingest.history.settings import HistorySettings
from tests.dashboards.console_stage import sample_community
from tests.dashboards.grafana_stand_in import GrafanaStandIn
from tests.servers import InfluxDB, free_port

CONSOLE = "http://127.0.0.1:8765"
INFLUX = HistorySettings(kind="influx-v1", url="http://127.0.0.1:8086", database="safety_eye")
START = 1_764_500_000_000
MINUTES = 30


def wall_of(community: Community | None = None) -> dict[str, Any]:
    return duty_wall(community or sample_community(), "se-influx-riverside", CONSOLE)


def queries_of(wall: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    return [
        (panel["title"], panel, target["query"])
        for panel in wall["panels"]
        for target in panel.get("targets", ())
    ]


def filled_in(query: str, panel: dict[str, Any], end: int) -> str:
    """Do what Grafana does: the time window, and the panel's own smallest interval."""
    window = f"time >= {START}ms and time <= {end}ms"
    query = query.replace("$timeFilter", window)
    query = query.replace("$__interval", panel.get("interval", "10s"))
    assert "$" not in query
    return query


@pytest.fixture(scope="module")
def database(influxdb: InfluxDB) -> tuple[InfluxDB, str, int]:
    """Half an hour of every series, every grade and every station, as ingest writes them."""
    name = influxdb.create("grafana_wall")
    community = sample_community()
    end = START + MINUTES * 60_000
    points, grades, stations = [], [], []
    for sensor in community.sensor:
        for quantity in sensor.quantities:
            series = Series("riverside", sensor.station, sensor.zone, sensor.id, quantity)
            cumulative = FACTS[quantity].cumulative
            for minute in range(MINUTES):
                at = START + minute * 60_000
                value = 1000.0 + 12.0 * minute if cumulative else 0.01 * minute
                points.append((series, Reading(sensor.id, quantity, at, value)))
            fault = (Reason.DEVICE_FAULT,)
            bad = Reading(sensor.id, quantity, end - 1000, None, Quality.BAD, fault)
            points.append((series, bad))
    for minute in range(MINUTES):
        at = START + minute * 60_000
        for zone, hazard, grade, condition in (
            ("underpass", Hazard.FLOOD, Grade.RED, Condition.ACTIVE),
            ("hall", Hazard.AIR, Grade.GREEN, Condition.CLEARED),
            ("garden", Hazard.AIR, Grade.BLUE, Condition.UNKNOWN),
        ):
            grades.append(
                ZoneGrade(
                    zone=zone, hazard=hazard, grade=grade, condition=condition, since=at, at=at
                )
            )
        stations += [
            StationState(
                station=station,
                at=at,
                online=station != "centre-1",
                health={"cpu_celsius": 51.5},
            )
            for station in community.stations
        ]
    body = LineEncoder().encode(points, grades, stations, "riverside")
    answer = httpx.post(
        f"{influxdb.url}/write", params={"db": name, "precision": "ns"}, content=body
    )
    assert answer.status_code == 204, answer.text
    return influxdb, name, end


def ask(server: InfluxDB, name: str, query: str) -> list[dict[str, Any]]:
    answer = httpx.post(f"{server.url}/query", params={"db": name}, data={"q": query})
    answer.raise_for_status()
    result = answer.json()["results"][0]
    assert "error" not in result, f"{query}: {result}"
    return list(result.get("series", []))


def test_the_query_of_every_panel_answers_on_a_real_influxdb(
    database: tuple[InfluxDB, str, int],
) -> None:
    server, name, end = database
    asked = 0
    for title, panel, query in queries_of(wall_of()):
        series = ask(server, name, filled_in(query, panel, end))
        if "now()" in query:  # the worst grade *now*: the sample is old, so nothing is said
            assert series == []
        else:
            values = [row[1] for entry in series for row in entry["values"]]
            assert any(value is not None for value in values), f"{title}: {query}"
        asked += 1
    assert asked >= 16


def test_the_states_tell_red_normal_and_unknown_apart(
    database: tuple[InfluxDB, str, int],
) -> None:
    server, name, end = database
    wall = wall_of()
    panel = wall["panels"][0]
    series = ask(server, name, filled_in(panel["targets"][0]["query"], panel, end))
    said = {
        f"{entry['tags']['zone']} {entry['tags']['hazard']}": {
            row[1] for row in entry["values"] if row[1] is not None
        }
        for entry in series
    }
    assert said == {"underpass flood": {14}, "hall air": {0}, "garden air": {21}}
    mapped = state_mappings("zh")[0]["options"]
    assert mapped["14"]["text"] == "红色 I 级"
    assert mapped["0"]["text"] == "正常"
    assert "未知，不等于安全" in mapped["21"]["text"]
    assert mapped["21"]["color"] not in {mapped["0"]["color"], mapped["11"]["color"]}


def test_a_counter_is_drawn_as_people_in_one_interval(
    database: tuple[InfluxDB, str, int],
) -> None:
    server, name, end = database
    for _, panel, query in queries_of(wall_of()):
        if "people-in" in query:
            values = ask(server, name, filled_in(query, panel, end))[0]["values"]
            assert {row[1] for row in values if row[1] is not None} == {12}
            return
    pytest.fail("no panel shows people")


def test_a_lost_station_and_its_readings_stand_in_the_table(
    database: tuple[InfluxDB, str, int],
) -> None:
    server, name, end = database
    table = next(panel for panel in wall_of()["panels"] if panel["type"] == "table")
    answers = [
        ask(server, name, filled_in(target["query"], table, end)) for target in table["targets"]
    ]
    links = {entry["tags"]["station"]: entry["values"][0][1] for entry in answers[0]}
    assert links == {"centre-1": 0, "north-1": 1, "tower-3": 1}
    stored = {entry["tags"]["station"]: entry["values"][0][1] for entry in answers[1]}
    bad = {entry["tags"]["station"]: entry["values"][0][1] for entry in answers[2]}
    assert stored["north-1"] == 3 * MINUTES + bad["north-1"]


def test_the_limits_of_the_place_are_the_lines_of_its_chart() -> None:
    panel = next(
        panel
        for panel in wall_of()["panels"]
        if "下穿通道" in panel["title"] and panel["type"] == "timeseries"
    )
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 0.05, 0.15, 0.20, 0.27]
    assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_a_low_limit_colours_what_lies_below_it() -> None:
    steps = threshold_steps({Grade.YELLOW: 3.0, Grade.RED: 1.0}, high=False)
    red, yellow, green = (step["color"] for step in steps)
    assert [step["value"] for step in steps] == [None, 1.0, 3.0]
    assert len({red, yellow, green}) == 3


def test_panels_do_not_overlap_and_stay_on_the_wall() -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in wall_of()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        ids.add(panel["id"])
    assert len(ids) == len(wall_of()["panels"])


def test_the_wall_is_the_same_each_time_and_speaks_the_sites_language() -> None:
    assert json.dumps(wall_of()) == json.dumps(wall_of())
    community = sample_community()
    english = msgspec.structs.replace(
        community, site=msgspec.structs.replace(community.site, language="en")
    )
    assert wall_of(english)["title"] == "Riverside Community: duty wall"
    assert not re.search(r"[\u4e00-\u9fff]", json.dumps(wall_of(english), ensure_ascii=False))


def without_comment(path: Path) -> dict[str, Any]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(json.loads("\n".join(line for line in lines if not line.startswith("#"))))


def test_the_files_hold_source_provider_and_wall_and_no_secret(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2")
    history = msgspec.structs.replace(
        INFLUX, username="wall", password_file=str(password), database="a$b"
    )
    written = write_provisioning(tmp_path / "out", sample_community(), history, console_url=CONSOLE)
    names = [str(path.relative_to(tmp_path / "out")) for path in written]
    assert names == [
        "datasources/safety-eye.yaml",
        "dashboards/safety-eye.yaml",
        "walls/se-wall-riverside.json",
    ]
    assert "hunter2" not in "".join(path.read_text(encoding="utf-8") for path in written)
    source = without_comment(written[0])["datasources"][0]
    assert source["jsonData"]["dbName"] == "a$$b"
    assert source["secureJsonData"] == {"password": "${SAFETY_EYE_INFLUX_PASSWORD}"}
    provider = without_comment(written[1])["providers"][0]
    assert (Path(provider["options"]["path"]) / "se-wall-riverside.json").exists()
    wall = without_comment(written[2])
    uids = {panel["datasource"]["uid"] for panel in wall["panels"]}
    assert uids == {source["uid"]}


@pytest.mark.parametrize(("kind", "header"), [("influx-v2", "Token x"), ("influx-v3", "Bearer x")])
def test_newer_influxdb_is_asked_with_a_token(kind: str, header: str) -> None:
    source = datasource(sample_community(), HistorySettings(kind=kind), token="x")
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": header}


def test_the_embedded_history_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(GrafanaSettingsError, match="shown by the console"):
        datasource(sample_community(), HistorySettings())


@pytest.fixture
def grafana() -> Iterator[GrafanaStandIn]:
    server = GrafanaStandIn()
    yield server
    server.stop()


def test_publishing_creates_once_and_then_leaves_everything_alone(grafana: GrafanaStandIn) -> None:
    first = publish(grafana.url, "good-token", sample_community(), INFLUX, console_url=CONSOLE)
    assert (first.folder, first.datasource, first.wall) == ("created", "created", "created")
    assert first.url == f"{grafana.url}/d/se-wall-riverside/wall"
    again = publish(grafana.url, "good-token", sample_community(), INFLUX, console_url=CONSOLE)
    assert (again.folder, again.datasource, again.wall) == ("unchanged", "unchanged", "unchanged")
    assert grafana.walls["se-wall-riverside"]["dashboard"]["version"] == 1
    assert again.url == first.url


def test_a_changed_limit_and_a_changed_address_are_published_under_the_same_uid(
    grafana: GrafanaStandIn,
) -> None:
    publish(grafana.url, "good-token", sample_community(), INFLUX, console_url=CONSOLE)
    community = sample_community()
    limits = (msgspec.structs.replace(community.limit[0], red=0.30), *community.limit[1:])
    community = msgspec.structs.replace(community, limit=limits)
    moved = msgspec.structs.replace(INFLUX, url="http://influx.example:8086")
    done = publish(grafana.url, "good-token", community, moved, console_url=CONSOLE)
    assert (done.folder, done.datasource, done.wall) == ("unchanged", "updated", "updated")
    assert len(grafana.walls) == len(grafana.sources) == 1


def test_the_secret_goes_to_grafana_and_is_never_read_back(
    grafana: GrafanaStandIn, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    history = msgspec.structs.replace(INFLUX, username="wall", password_file=str(password))
    publish(grafana.url, "good-token", sample_community(), history, console_url=CONSOLE)
    assert grafana.secrets["se-influx-riverside"] == {"password": "hunter2"}
    assert "hunter2" not in json.dumps(grafana.sources)


def test_a_wrong_token_and_an_absent_grafana_are_told_apart(grafana: GrafanaStandIn) -> None:
    with pytest.raises(PublishError, match=r"refused \(401\)"):
        publish(grafana.url, "wrong", sample_community(), INFLUX, console_url=CONSOLE)
    nowhere = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(PublishError, match="try again"):
        publish(nowhere, "good-token", sample_community(), INFLUX, console_url=CONSOLE)
