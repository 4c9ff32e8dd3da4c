"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest
from hypothesis import settings

import fakes

# how long an example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
settings.register_profile("repeatable", derandomize=True, deadline=None)
# what is said while kernels are compiled depends on what ran before
os.environ["ACCELSIM_QUIET"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same problems every day, so that a change alone turns a test red; the nightly ones are drawn anew."""
    if "nightly" not in config.getoption("markexpr"):
        settings.load_profile("repeatable")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests of a source together; leave nightly tests out unless -m names them."""
    for item in items:
        if item.path.parent.name == "validation":
            # what is validated is reproduced once: the tests of a source run where its section is written
            call = getattr(item, "callspec", None)
            name = call.id if call and "md" in item.path.stem else item.path.stem.removeprefix("test_")
            item.add_marker(pytest.mark.xdist_group(name))
    if "nightly" in config.getoption("markexpr"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Put a made-up engine and search in place of the real ones; the dict counts how often each is asked."""
    calls = {"evaluate": 0, "best": 0}

    def evaluate(architecture, nest, problem, evaluator="cycle", masks=None, **options):
        calls["evaluate"] += 1
        return fakes.evaluate(architecture, nest, problem, evaluator)

    def best(architecture, problem, dataflow, objective="energy", table=None, accounting=None):
        from accelsim.errors import MappingError

        calls["best"] += 1
        if getattr(dataflow, "name", dataflow) == "weight_stationary" and problem["P"] > 1:
            raise MappingError("GLB psum: needs 9 bits, has 8 bits")
        return fakes.nest(problem)

    from accelsim.search.found import Found

    def find(architecture, problem, dataflow, objective="energy", table=None, accounting=None, *_, **others):
        nest = best(architecture, problem, dataflow, objective, table, accounting)
        return Found(nest, objective, "made up", 1, (), 0.0)

    engine, search, flows = (ModuleType(f"accelsim.{name}") for name in ("engine", "search", "mapping.dataflows"))
    engine.evaluate = evaluate
    # the real engine stays reachable below the fake one
    import accelsim.engine

    engine.__path__ = accelsim.engine.__path__
    search.best, search.find = best, find
    flows.NAMES = fakes.DATAFLOWS
    # and so does what lies in the real package of dataflows
    import accelsim.mapping.dataflows

    flows.__path__ = accelsim.mapping.dataflows.__path__
    for module in (engine, search, flows):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls
