"""`import accelsim` gives the two functions whatever was imported before."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "first",
    ["accelsim.simulate", "accelsim.compare", "from accelsim.simulate import load", "import accelsim.cli"],
)
def test_functions(first):
    code = f"import accelsim; {first}; print(accelsim.simulate.__name__, accelsim.compare.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "simulate compare", done.stderr


def test_tab_shows_the_public_names_and_each_is_there():
    code = "import accelsim, sys; print(*dir(accelsim)); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, heavy = done.stdout.splitlines()
    assert {"simulate", "compare", "rerun", "Result", "Architecture", "Network", "AccelsimError"} <= set(names.split())
    assert heavy == "False"
    import accelsim

    assert sorted(accelsim.__all__) == names.split()
    for name in accelsim.__all__:
        assert getattr(accelsim, name) is not None


def test_unknown_name():
    import accelsim

    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = accelsim.simulat
