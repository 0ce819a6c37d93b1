"""The duty wall: one Grafana dashboard, built from the community profile. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.community import Community, SensorEntry
from core.finding import Hazard
from core.grade import Grade
from core.quantity import FACTS, Quantity
from core.wording import HAZARDS, QUANTITIES
from dashboards.grafana import queries
from dashboards.grafana.colours import (
    COLOURS,
    UNKNOWN,
    grade_mappings,
    state_mappings,
    threshold_steps,
)
from dashboards.grafana.wall_words import TEXTS, UNITS

Panel = dict[str, Any]
# A wall is 24 columns wide.
_WIDTH = 24
_CHART_WIDTH, _CHART_HEIGHT = 8, 7
# Grades are repeated once a minute; a bucket of two minutes always holds one while alerts lives.
_STATE_BUCKET = "2m"


def wall_uid(site: str) -> str:
    """Return the uid of a site's wall; at most 40 characters, as Grafana wants.

    >>> wall_uid("riverside")
    'se-wall-riverside'
    """
    return f"se-wall-{site}"[:40]


def duty_wall(community: Community, datasource_uid: str, console_url: str) -> dict[str, Any]:
    """Return the dashboard.

    Args:
        community: Its zones, sensors and limits make the panels and their lines.
        datasource_uid: Uid of the InfluxDB data source.
        console_url: Where people take incidents over.
    """
    builder = _Builder(community, datasource_uid)
    site = community.site
    return {
        "uid": wall_uid(site.id),
        "title": builder.text("title", site.name.in_language(site.language)),
        "tags": ["safety-eye"],
        "timezone": site.timezone,
        "editable": False,
        "refresh": "10s",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": []},
        "links": [],
        "panels": [*builder.head(console_url), *builder.charts(top=17)],
    }


class _Builder:
    """Builds panels and numbers them."""

    def __init__(self, community: Community, datasource_uid: str) -> None:
        self._community = community
        self._site = community.site.id
        self._language = community.site.language
        self._source = {"type": "influxdb", "uid": datasource_uid}
        self._last_id = 0

    def text(self, key: str, *values: object) -> str:
        """Return a text in the site's language."""
        return TEXTS[key][0 if self._language == "zh" else 1].format(*values)

    def head(self, console_url: str) -> Iterator[Panel]:
        """Yield what stands above the charts."""
        yield self._states()
        yield self._worst()
        yield self._act(console_url)
        yield self._stations()
        yield self._flow()

    def _panel(self, kind: str, title: str, place: tuple[int, int, int, int], **more: Any) -> Panel:
        self._last_id += 1
        x, y, width, height = place
        return {
            "id": self._last_id,
            "type": kind,
            "title": title,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "datasource": self._source,
            **more,
        }

    def _target(self, query: str, letter: str = "A", **more: Any) -> dict[str, Any]:
        return {
            "refId": letter,
            "datasource": self._source,
            "query": query,
            "rawQuery": True,
            "resultFormat": "time_series",
            **more,
        }

    def _states(self) -> Panel:
        overrides = [
            _named(f"{zone} {hazard}", name) for zone, hazard, name in self._zone_hazards()
        ]
        return self._panel(
            "state-timeline",
            self.text("states"),
            (0, 0, 18, 10),
            interval=_STATE_BUCKET,
            targets=[self._target(queries.grade_states(self._site), alias="$tag_zone $tag_hazard")],
            options={"mergeValues": True, "showValue": "auto", "rowHeight": 0.9},
            fieldConfig={
                "defaults": {
                    "mappings": state_mappings(self._language),
                    "custom": {"fillOpacity": 85, "lineWidth": 0, "insertNulls": 180_000},
                    "color": {"mode": "thresholds"},
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [{"value": None, "color": UNKNOWN}],
                    },
                },
                "overrides": overrides,
            },
        )

    def _zone_hazards(self) -> list[tuple[str, Hazard, str]]:
        index = 0 if self._language == "zh" else 1
        pairs = dict.fromkeys(
            pair
            for sensor in self._community.sensor
            for pair in ((sensor.zone, sensor.hazard), (sensor.zone, Hazard.EQUIPMENT))
        )
        return [
            (zone, hazard, f"{self._zone_name(zone)} · {HAZARDS[hazard][index]}")
            for zone, hazard in pairs
        ]

    def _zone_name(self, zone: str) -> str:
        found = self._community.zone_of(zone)
        return found.name.in_language(self._language) if found else zone

    def _worst(self) -> Panel:
        return self._panel(
            "stat",
            self.text("worst"),
            (18, 0, 6, 5),
            targets=[self._target(queries.worst_grade(self._site))],
            options={
                "colorMode": "background",
                "graphMode": "none",
                "textMode": "value",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            },
            fieldConfig={
                "defaults": {
                    "mappings": grade_mappings(self._language),
                    "noValue": state_mappings(self._language)[1]["options"]["result"]["text"],
                },
                "overrides": [],
            },
        )

    def _act(self, console_url: str) -> Panel:
        return self._panel(
            "text",
            self.text("link"),
            (18, 5, 6, 5),
            options={"mode": "markdown", "content": self.text("act", console_url)},
        )

    def _stations(self) -> Panel:
        links = {
            "0": {"text": self.text("lost"), "color": COLOURS[Grade.RED], "index": 0},
            "1": {"text": self.text("online"), "color": COLOURS[Grade.GREEN], "index": 1},
        }
        mapping = [{"type": "value", "options": links}]
        online: dict[str, Any] = {
            "matcher": {"id": "byName", "options": "online"},
            "properties": [
                {"id": "displayName", "value": self.text("linked")},
                {"id": "mappings", "value": mapping},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ],
        }
        names = [_named(field, self.text(field)) for field in ("station", "stored", "bad")]
        return self._panel(
            "table",
            self.text("stations"),
            (0, 10, 14, 7),
            targets=[
                self._target(query, letter, resultFormat="table")
                for letter, query in zip(
                    "ABC",
                    (
                        queries.station_links(self._site),
                        queries.station_counts(self._site),
                        queries.station_doubts(self._site),
                    ),
                    strict=True,
                )
            ],
            transformations=[
                {"id": "joinByField", "options": {"byField": "station", "mode": "outer"}},
                {
                    "id": "filterFieldsByName",
                    "options": {"include": {"names": ["station", "online", "stored", "bad"]}},
                },
            ],
            fieldConfig={"defaults": {"custom": {"align": "left"}}, "overrides": [online, *names]},
        )

    def _flow(self) -> Panel:
        return self._panel(
            "timeseries",
            self.text("flow"),
            (14, 10, 10, 7),
            targets=[self._target(queries.stored_per_minute(self._site), alias="$tag_station")],
            fieldConfig={
                "defaults": {"min": 0, "unit": "none", "custom": {"lineWidth": 1}},
                "overrides": [],
            },
        )

    def charts(self, top: int) -> Iterator[Panel]:
        """Yield one chart for each zone and quantity, with the limits that hold there as lines."""
        groups: dict[tuple[str, Quantity], list[SensorEntry]] = {}
        for sensor in self._community.sensor:
            for quantity in sensor.quantities:
                if quantity not in (Quantity.CONTACT, Quantity.ALARM_INPUT):
                    groups.setdefault((sensor.zone, quantity), []).append(sensor)
        per_row = _WIDTH // _CHART_WIDTH
        for number, ((zone, quantity), sensors) in enumerate(groups.items()):
            row, column = divmod(number, per_row)
            place = (
                column * _CHART_WIDTH,
                top + row * _CHART_HEIGHT,
                _CHART_WIDTH,
                _CHART_HEIGHT,
            )
            yield self._chart(zone, quantity, sensors, place)

    def _chart(
        self,
        zone: str,
        quantity: Quantity,
        sensors: list[SensorEntry],
        place: tuple[int, int, int, int],
    ) -> Panel:
        index = 0 if self._language == "zh" else 1
        interval_s = max(sensor.interval_s for sensor in sensors)
        unit = FACTS[quantity].unit
        steps = self._steps(sensors[0], quantity)
        custom: dict[str, Any] = {"lineWidth": 2, "fillOpacity": 0, "spanNulls": False}
        if len(steps) > 1:
            custom["thresholdsStyle"] = {"mode": "dashed"}
        return self._panel(
            "timeseries",
            f"{self._zone_name(zone)} · {QUANTITIES[quantity][index]}",
            place,
            interval=f"{max(round(interval_s * 2), 10)}s",
            targets=[
                self._target(
                    queries.readings(self._site, zone, quantity, interval_s), alias="$tag_sensor"
                )
            ],
            fieldConfig={
                "defaults": {
                    "unit": UNITS.get(unit, f"suffix:{unit}"),
                    "custom": custom,
                    "thresholds": {"mode": "absolute", "steps": steps},
                },
                "overrides": [
                    _named(sensor.id, sensor.name.in_language(self._language) or sensor.id)
                    for sensor in sensors
                ],
            },
        )

    def _steps(self, sensor: SensorEntry, quantity: Quantity) -> list[dict[str, Any]]:
        """Return the lines of the first rule: Grafana knows one set of thresholds a chart."""
        for rule in self._community.rules_of(sensor, quantity):
            limits = {level.grade: level.limit for level in rule.levels}
            return threshold_steps(limits, high=rule.high)
        return [{"value": None, "color": COLOURS[Grade.GREEN]}]


def _named(field: str, name: str) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [{"id": "displayName", "value": name}],
    }
