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


def test_unknown_name():
    import accelsim

    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = accelsim.simulat
