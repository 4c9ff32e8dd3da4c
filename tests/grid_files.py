"""Files of hourly intensities in the five layouts, written from one series: headers as their makers have them.

Headers: Electricity Maps' CSV (2023 and 2025), WattTime's MOER CSV (lb/MWh each 5 minutes) and API v3 JSON, a table
derived from EIA's generation data. Values are the tests' own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

START = datetime(2024, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
POUND = Fraction(45359237, 100000)  # grams
OLD = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA),"
    "Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,Data Estimation Method"
)
NEW = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),"
    "Data source,Data estimated,Data estimation method"
)
EIA = "timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI"


def maps(folder: Path, values: Sequence[object], header: str = NEW, name: str = "maps.csv", start: datetime = START):
    """Electricity Maps; values : of the life cycle, '' for a gap; direct ones are half of them."""
    lines = [header]
    for index, value in enumerate(values):
        direct = value if value == "" else f"{float(value) / 2:.6f}"
        lines.append(
            f"{start + index * HOUR:%Y-%m-%d %H:%M:%S},Nowhere,Synthetic,XX,{direct},{value},50,40,none,False,"
        )
    return written(folder / name, lines)


def moer(folder: Path, values: Sequence[object], name: str = "moer.csv", start: datetime = START):
    """WattTime's CSV, twelve values an hour."""
    lines = ["timestamp,MOER"]
    for index, value in enumerate(values):
        lines += [f"{start + index * HOUR + minute * timedelta(minutes=5)},{value}" for minute in range(12)]
    return written(folder / name, lines)


def v3(folder: Path, values: Sequence[object], name: str = "v3.json", unit: str = "lbs_co2_per_mwh"):
    """The answer of WattTime's API."""
    data = [
        {"point_time": (START + index * HOUR).isoformat(), "value": None if value == "" else float(value)}
        for index, value in enumerate(values)
    ]
    meta = {"region": "XX", "signal_type": "co2_moer", "model": {"date": "2024-01-01"}, "units": unit}
    path = folder / name
    path.write_text(json.dumps({"meta": meta, "data": data}), encoding="utf-8")
    return path


def eia(folder: Path, values: Sequence[object], name: str = "eia.csv", start: datetime = START):
    """The table derived from EIA's."""
    rows = (f"{(start + i * HOUR).isoformat()},1000,0,2000,0,5000,2000,3000,300,{v}" for i, v in enumerate(values))
    return written(folder / name, [EIA, *rows])


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
