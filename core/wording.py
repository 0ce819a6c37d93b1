"""Words that every text shares, zh-CN and English: grades, hazards, quantities, numbers with units.

Pure. Console, messages and command line say the same, so that two people on the phone read the same
words; `finding_wording` and `act_wording` make sentences of them.
"""

from __future__ import annotations

from core.finding import Hazard
from core.grade import GRADE_FACTS, Grade
from core.quantity import Quantity

HAZARDS = {
    Hazard.FLOOD: ("内涝", "flood"),
    Hazard.FIRE: ("火情", "fire"),
    Hazard.AIR: ("空气污染", "bad air"),
    Hazard.CROWD: ("人群拥挤", "crowding"),
    Hazard.EQUIPMENT: ("设备故障", "equipment"),
}
QUANTITIES: dict[Quantity, tuple[str, str]] = {
    Quantity.WATER_LEVEL: ("水位", "water level"),
    Quantity.DISTANCE: ("距离", "distance"),
    Quantity.RAIN_RATE: ("雨强", "rain rate"),
    Quantity.SMOKE_OBSCURATION: ("烟雾", "smoke"),
    Quantity.SMOKE_INDEX: ("烟雾指数", "smoke index"),
    Quantity.CARBON_MONOXIDE: ("一氧化碳", "carbon monoxide"),
    Quantity.CARBON_DIOXIDE: ("二氧化碳", "carbon dioxide"),
    Quantity.PM1: ("PM1", "PM1"),
    Quantity.PM2_5: ("PM2.5", "PM2.5"),
    Quantity.PM10: ("PM10", "PM10"),
    Quantity.TEMPERATURE: ("温度", "temperature"),
    Quantity.HUMIDITY: ("湿度", "humidity"),
    Quantity.PEOPLE_IN: ("进入人数", "people in"),
    Quantity.PEOPLE_OUT: ("离开人数", "people out"),
    Quantity.PEOPLE_COUNT: ("人数", "people"),
    Quantity.OCCUPANCY: ("在场人数", "occupancy"),
    Quantity.CONTACT: ("门磁", "contact"),
    Quantity.ALARM_INPUT: ("报警输入", "alarm input"),
    Quantity.VOLTAGE: ("电压", "voltage"),
    Quantity.CURRENT: ("电流", "current"),
    Quantity.OTHER: ("读数", "reading"),
}
# UCUM code -> what people read.
UNITS = {
    "[ppm]": ("ppm", "ppm"),
    "{count}": ("人次", "people"),
    "{person}": ("人", "people"),
    "ug/m3": ("µg/m³", "µg/m³"),
    "Cel": ("°C", "°C"),
    "1": ("", ""),
}
_DIGITS = {"m": 2, "dB/m": 2, "[ppm]": 0, "ug/m3": 0, "Cel": 1, "{count}": 0, "{person}": 0}


def grade_words(grade: Grade, language: str) -> str:
    """Return the grade with its numeral.

    >>> grade_words(Grade.RED, "zh"), grade_words(Grade.RED, "en")
    ('红色 I 级', 'red (I)')
    """
    facts = GRADE_FACTS[grade]
    if grade is Grade.GREEN:
        return facts.zh if language == "zh" else "normal"
    return (
        f"{facts.zh} {facts.numeral} 级" if language == "zh" else f"{grade.word} ({facts.numeral})"
    )


def measure(value: float, unit: str, language: str) -> str:
    """Return a value with its unit as people write it.

    >>> measure(0.291, "m", "en"), measure(38.2, "ug/m3", "zh")
    ('0.29 m', '38 µg/m³')
    """
    digits = _DIGITS.get(unit, 1)
    words = UNITS.get(unit, (unit, unit))
    number = f"{value:.{digits}f}"
    if float(number) == 0:
        number = number.removeprefix("-")
    return f"{number} {words[0 if language == 'zh' else 1]}".rstrip()


def duration(seconds: float, language: str) -> str:
    """Return a duration in the coarsest unit that keeps it honest.

    >>> duration(45, "en"), duration(600, "zh"), duration(9000, "en")
    ('45 s', '10 分钟', '2 h 30 min')
    """
    zh = language == "zh"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} 秒" if zh else f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} 分钟" if zh else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours >= 48 or not rest:
        return f"{hours} 小时" if zh else f"{hours} h"
    return f"{hours} 小时 {rest} 分钟" if zh else f"{hours} h {rest} min"
