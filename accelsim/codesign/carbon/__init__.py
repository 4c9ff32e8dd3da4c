"""Carbon of running and of making a machine: footprints out of factors that each name their source."""

from accelsim.codesign.carbon.embodied import Die, Embodied
from accelsim.codesign.carbon.footprint import Cost, Footprint, Place, footprint
from accelsim.codesign.carbon.hourly import Series, Window, best_place, read_series
from accelsim.codesign.carbon.job import Job
from accelsim.codesign.carbon.spec import CarbonSpec, load_spec
from accelsim.codesign.carbon.tables import Factor, regions

__all__ = [
    "CarbonSpec",
    "Cost",
    "Die",
    "Embodied",
    "Factor",
    "Footprint",
    "Job",
    "Place",
    "Series",
    "Window",
    "best_place",
    "footprint",
    "load_spec",
    "read_series",
    "regions",
]
