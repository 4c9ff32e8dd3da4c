"""Parts priced by models of components from elsewhere: hwcomponents and the packages of models that it finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from accelsim.specs import Name, Spec, key

OLDEST = (3, 12)
"""The Python that hwcomponents takes."""
PER_MM2, PER_MW, PER_PJ = 1e6, 1e3, 1e12
"""Of the m2, W and J that it gives."""


class ModelSpec(Spec):
    """A component of hwcomponents, by the name and attributes that its models take (`accelsim[components]`)."""

    component: Name = key("Its name there, such as `adc`.")
    attributes: dict[str, int | float | str | bool] = key(
        "What its model takes, in SI units: `{n_bits: 8, tech_node: 32.0e-9, throughput: 1.2e+9}`.",
        {},
        "it takes none",
        names="ATTRIBUTE",
    )


@dataclass(frozen=True)
class Priced:
    """A component whose model has been found. Every number raises ValueError, one line, where the model gives none."""

    component: str
    attributes: Mapping[str, Any]
    models: Any

    def area(self) -> Fraction:
        """Cells of one, mm2."""
        return self._asked(lambda: self.models.get_area(self.component, dict(self.attributes)) * PER_MM2)

    def static(self) -> Fraction:
        """Leakage of one, mW."""
        return self._asked(lambda: self.models.get_leak_power(self.component, dict(self.attributes)) * PER_MW)

    def energy(self, action: str) -> Fraction:
        """An action, pJ."""
        return self._asked(
            lambda: self.models.get_action_cost(self.component, dict(self.attributes), action, {}).energy * PER_PJ
        )

    def _asked(self, number: Callable[[], float]) -> Fraction:
        try:
            # what is left of sums of floats is no part of a price
            return Fraction(f"{number():.9g}")
        except Exception as error:  # models of anybody's raise anything
            text = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"hwcomponents: {text[:300]}") from None


def priced(spec: ModelSpec) -> Priced:
    """The component of a part.

    Raises ValueError, one line, without hwcomponents: it names the extra that brings it.
    """
    try:
        import hwcomponents
    except (ImportError, SyntaxError):
        older = sys.version_info[:2] < OLDEST
        takes = f", which takes Python {'.'.join(map(str, OLDEST))} or later" if older else ""
        raise ValueError(
            f"'{spec.component}' is priced by hwcomponents{takes}: pip install 'accelsim[components]'"
        ) from None
    return Priced(spec.component, spec.attributes, hwcomponents)
