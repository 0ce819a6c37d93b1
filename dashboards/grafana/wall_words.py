"""What the wall says, in Chinese and English, and what Grafana calls our units. Data only."""

from __future__ import annotations

# Grafana's names of our units; what it has no name for is shown as a suffix.
UNITS = {
    "m": "lengthm",
    "[ppm]": "ppm",
    "ug/m3": "conμgm3",
    "Cel": "celsius",
    "%": "percent",
    "V": "volt",
    "A": "amp",
    "1": "none",
    "{count}": "none",
    "{person}": "none",
}
TEXTS = {
    "title": ("{}：值班大屏", "{}: duty wall"),
    "states": ("各区域等级", "Grades by zone"),
    "worst": ("现在最高等级", "Worst grade now"),
    "stations": ("站点（所选时段）", "Stations (in this window)"),
    "flow": ("每分钟入库读数", "Readings stored each minute"),
    "link": ("处理", "Act"),
    "online": ("在线", "online"),
    "lost": ("失联：传感器未知，不等于安全", "lost: its sensors are unknown, which is not safe"),
    "station": ("站点", "Station"),
    "linked": ("链路", "Link"),
    "stored": ("入库", "Stored"),
    "bad": ("其中不可信", "of these bad"),
    "act": (
        "本屏只供观看。接手、时间线和账本在值班控制台：[{0}]({0})\n\n空白处表示没有数据，不等于安全。",
        "This wall only shows. Taking over, timelines, the ledger: [{0}]({0})\n\nA gap is no data.",
    ),
}
