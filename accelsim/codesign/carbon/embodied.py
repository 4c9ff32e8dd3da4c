"""Carbon of making a device: dies by area, memories by capacity, packages (ACT, Gupta et al., ISCA 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from accelsim.codesign.carbon.tables import Fab, Factor, memory
from accelsim.errors import AccelsimError


@dataclass(frozen=True)
class Die:
    """Logic: cm2, and what a cm2 of it takes of a fab, on a grid, at a share of good dies."""

    area: Factor
    fab: Fab
    grid: Factor

    def grams(self, good: Fraction) -> Fraction:
        """Area x (grid x energy + gases + materials) / yield."""
        fab = self.fab
        of_cm2 = self.grid.value * fab.energy.value + fab.gas.value + fab.material.value
        return self.area.value * of_cm2 / good

    @property
    def factors(self) -> tuple[Factor, ...]:
        """All that `grams` multiplies and adds, but the yield."""
        return (self.area, self.grid, self.fab.energy, self.fab.gas, self.fab.material)


@dataclass(frozen=True)
class Embodied:
    """Of one device.

    die : None, or its logic. memories : GB by process. good : the share of dies and of GB that are. packages : how many
    parts, and g CO2e of each.
    """

    die: Die | None
    memories: Mapping[str, Fraction]
    good: Factor
    packages: Factor
    package: Factor

    def __post_init__(self) -> None:
        if self.die is None and not self.memories:
            raise AccelsimError("nothing is made: give a die (area, node, fab_grid) or memory")
        for name in self.memories:
            memory(name)  # a name that is none is refused here

    @property
    def parts(self) -> dict[str, Fraction]:
        """By part, g CO2e."""
        found = {} if self.die is None else {"die": self.die.grams(self.good.value)}
        for name, size in self.memories.items():
            found[name] = size * memory(name).value / self.good.value
        found["packages"] = self.packages.value * self.package.value
        return found

    @property
    def grams(self) -> Fraction:
        """Of all parts, g CO2e."""
        return sum(self.parts.values(), Fraction(0))

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Every number that went in, with its source."""
        found = list(self.die.factors) if self.die else []
        for name, size in self.memories.items():
            found += [Factor(f"{name} capacity", size, "GB", "given"), memory(name)]
        return (*found, self.good, self.packages, self.package)
