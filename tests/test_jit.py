"""The cache of compiled kernels: never stale, the same for every copy, and no trouble where it cannot be written."""

from __future__ import annotations

import ast
import gc
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary

import accelsim
from accelsim import jit, linking

pytestmark = pytest.mark.slow
ROOT = Path(accelsim.__file__).parent
CALLEE = "from accelsim.jit import njit\n\n\n@njit(cache=True)\ndef inner(x):\n    return x + {}\n"
CALLER = """from accelsim.engine.nest.kernels.callee import inner
from accelsim.jit import njit


@njit(cache=True)
def outer(x):
    return 10 * inner(x)
"""
CODE = """
from accelsim.engine.words.kernels import caller
print(caller.outer(1), sum(caller.outer.stats.cache_hits.values()), sum(caller.outer.stats.cache_misses.values()))
"""


class Copy:
    """A copy of the package with two small kernels more, one calling the other, run in processes of its own."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT, root / "accelsim", ignore=ignored)
        # a checkout has them beside the package, an installation in it
        for folder in (name for name in ("arch", "workloads") if (ROOT.parent / name).is_dir()):
            shutil.copytree(ROOT.parent / folder, root / folder)
        self.add(1)

    def add(self, number: int) -> None:
        rooms = self.root / "accelsim" / "engine"
        (rooms / "nest" / "kernels" / "callee.py").write_text(CALLEE.format(number))
        (rooms / "words" / "kernels" / "caller.py").write_text(CALLER)

    def start(self, code: str = CODE, limit: int | None = None, **environment: str) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
        given = {"PYTHONPATH": str(self.root), "ACCELSIM_CACHE_DIR": str(self.cache), "TMPDIR": str(self.cache.parent)}
        unset = {name for name, value in environment.items() if not value}
        environment = {name: value for name, value in (kept | given | environment).items() if name not in unset}

        def prepare() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            cwd=self.root, preexec_fn=prepare,
        )  # fmt: skip

    def run(self, code: str = CODE, limit: int | None = None, **environment: str) -> tuple[str, str]:
        return self.end(self.start(code, limit, **environment))

    @staticmethod
    def end(process: subprocess.Popen[str]) -> tuple[str, str]:
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        return out.strip(), err

    def files(self) -> list[Path]:
        return sorted(path for path in self.cache.rglob("*") if path.is_file())


@pytest.fixture
def package(tmp_path):
    return Copy(tmp_path / "one", tmp_path / "cache")


def other_lines(err: str) -> list[str]:
    """What is said beside that kernels are compiled."""
    return [line for line in err.splitlines() if not line.startswith(("accelsim: compil", "accelsim: 1 of"))]


def test_a_callee_in_another_file_is_edited(package):
    assert package.run()[0] == "20 0 1"
    assert package.run()[0] == "20 1 0"
    package.add(5)
    assert package.run()[0] == "60 0 1"
    package.add(1)
    assert package.run()[0] == "20 1 0"


def test_a_kept_kernel_needs_nothing_that_compiles(package):
    # a sum stands in a module of numba that imports all it has of linear algebra
    text = CALLEE.format("np.ones(x).sum()").replace("\n\n", "\nimport numpy as np\n\n", 1)
    (package.root / "accelsim" / "engine" / "nest" / "kernels" / "callee.py").write_text(text)
    code = f"{CODE}import sys\nprint('numba.np.linalg' in sys.modules)\n"
    assert package.run(code)[0].split() == ["20.0", "0", "1", "True"]
    assert package.run(code)[0].split() == ["20.0", "1", "0", "False"]


def test_a_kernel_calls_one_that_was_kept(package):
    inner = "from accelsim.engine.nest.kernels.callee import inner\nprint(inner(1), len(inner.stats.cache_hits))\n"
    assert package.run(inner)[0].split() == ["2", "0"]
    assert package.run(inner + CODE)[0].split() == ["2", "1", "20", "0", "1"]


def test_nothing_compiled_lies_in_the_package(package):
    package.run()
    assert [path.name.partition(".")[0] for path in package.files()] == ["caller"]  # the callee is a part of it
    assert not [path for path in package.root.rglob("*") if path.suffix in (".nbi", ".nbc")]


def test_a_copy_elsewhere_and_of_another_age_shares_what_is_compiled(package, tmp_path):
    package.run()
    other = Copy(tmp_path / "two" / "deeper", package.cache)
    for path in other.root.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    before = package.files()
    assert other.run() == ("20 1 0", "")
    assert package.files() == before


def test_every_kernel_goes_through_it():
    """No file but these takes a compiler from numba, and numba is imported nowhere but among the kernels."""
    for path in ROOT.rglob("*.py"):
        if path in (Path(jit.__file__), Path(linking.__file__)):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                where = f"{path.relative_to(ROOT)}: {name}"
                if name.split(".")[0] == "numba":
                    assert path.parent.name == "kernels", where
                    assert name in ("numba.prange", "numba.types", "numba.extending.intrinsic"), where


def test_kernels_depend_on_kernels_only():
    """What they are compiled from is what the hash is of."""
    for path in ROOT.glob("**/kernels/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("accelsim"):
                assert ".kernels." in node.module or node.module == "accelsim.jit", path


def test_constants_are_numbers_like_others():
    """numba would compile `inner` once for each of 1, 2 and y."""

    @jit.njit(cache=False)
    def inner(x, y):
        return x + y

    @jit.njit(cache=False)
    def outer(x):
        return inner(x, 1) + inner(y=2, x=x) + inner(x, x)

    assert outer(5) == 6 + 7 + 10
    assert len(inner.signatures) == 1


@pytest.mark.skipif(not linking.LINKS, reason="numba of another version: kernels are compiled as it does")
def test_a_kernel_that_python_calls_too():
    """It is compiled for its caller first, without what Python calls, and as a whole then."""

    @jit.njit(cache=False)
    def inner(x):
        if x < 0:
            raise ValueError("negative")
        return np.zeros(x + 1).shape[0]

    @jit.njit(cache=False)
    def outer(x):
        return 10 * inner(x)

    assert outer(4) == 50
    (compiled,) = inner.overloads.values()
    assert linking.is_linked_only(compiled)
    assert inner(4) == 5
    (compiled,) = inner.overloads.values()
    assert not linking.is_linked_only(compiled)
    assert outer(6) == 70
    for kernel in (inner, outer):
        with pytest.raises(ValueError, match="negative"):
            kernel(-1)

    @jit.njit(cache=False)
    def later(x):
        return inner(x) + outer(x)

    assert later(4) == 55
    assert not any(map(linking.is_linked_only, [*inner.overloads.values(), *outer.overloads.values()]))


def test_a_caller_is_the_same_whatever_was_compiled_first():
    sizes = []
    for first in (False, True):

        @jit.njit(cache=False)
        def inner(values, step):
            total = 0
            for i in range(0, values.shape[0], step):
                total += values[i]
            return total

        @jit.njit(cache=False)
        def outer(values, inner=inner):
            return inner(values, 1)

        values = np.arange(8)
        if first:
            assert inner(values, 1) == 28
        assert outer(values) == 28
        (compiled,) = outer.overloads.values()
        sizes.append(len(compiled.library.get_llvm_str().splitlines()))
    assert sizes[0] == sizes[1]


def test_a_slice_of_another_shape_is_refused():
    @jit.njit(cache=False)
    def kernel(a, b):
        a[1:] = b

    a = np.zeros(4)
    kernel(a, np.ones(3))
    assert a.tolist() == [0, 1, 1, 1]
    with pytest.raises(ValueError, match="different size"):
        kernel(a, np.ones(2))


def test_functions_of_others_compile_as_ever():
    """Code that numba made for a kernel is good for a function that is none, and numba is left as it was."""

    @jit.njit(cache=False)
    def callee(x):
        return np.zeros((x, x, x), np.int16).shape[0]

    @jit.njit(cache=False)
    def kernel(x):
        return callee(x)

    @numba.njit
    def other(x):
        return np.zeros((x, x, x), np.int16).shape[0] + kernel(x)

    pair = namedtuple("pair", ["a", "b"])

    @numba.njit
    def of_theirs(x):
        return x.a.sum() + x.b

    assert other(3) == 6
    assert kernel(3) == 3
    theirs = of_theirs.targetctx.data_model_manager[numba.typeof(pair(np.ones(2), 1))]
    assert isinstance(theirs.get_argument_type(), tuple)  # taken apart, as numba does it
    assert of_theirs(pair(np.ones(2), 1)) == 3
    assert other(4) == 8
    codegen = other.targetctx.codegen()
    assert codegen._library_class is JITCodeLibrary
    assert gc.isenabled()
    with pytest.raises(numba.TypingError):
        jit.njit(lambda x: x.nothing, cache=False)(1)
    assert codegen._library_class is JITCodeLibrary
    assert "resolve_function_type" not in vars(other.typingctx)
    assert gc.isenabled()


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "flipped"])
def test_damaged_files_are_compiled_again(package, damage):
    package.run()
    for path in package.files():
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes({
            "empty": b"",
            "cut": content[:middle],
            "noise": bytes(range(256)) * 40,
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        }[damage])  # fmt: skip
    out, err = package.run()
    assert out == "20 0 1"
    assert len(other_lines(err)) == 1
    assert other_lines(err)[0].startswith("accelsim: damaged kernels in ")
    assert package.run() == ("20 1 0", "")


def test_two_cold_processes_at_once(package):
    both = [package.start() for _ in range(2)]
    assert [Copy.end(process)[0].split()[0] for process in both] == ["20", "20"]
    assert package.run() == ("20 1 0", "")
    assert not [path for path in package.files() if path.suffix == ".tmp"]


def test_a_full_disk(package):
    out, err = package.run(limit=2000, PYTHONDONTWRITEBYTECODE="1")
    assert out == "20 0 1"
    assert len(other_lines(err)) == 1
    assert other_lines(err)[0].startswith("accelsim: kernels cannot be kept in ")
    assert package.files() == []
    assert package.run()[0] == "20 0 1"


def test_a_file_in_the_place_of_the_cache(package, tmp_path):
    (tmp_path / "cache").write_text("not a directory")
    (tmp_path / "tmp").mkdir()
    out, err = package.run(TMPDIR=str(tmp_path / "tmp"))
    assert out == "20 0 1"
    instead = tmp_path / "tmp" / f"accelsim-{os.geteuid()}"
    assert other_lines(err) == [
        f"accelsim: cannot write to {tmp_path}/cache/accelsim: not a directory; {instead} is used instead "
        "(set ACCELSIM_CACHE_DIR to keep it)"
    ]
    assert instead.stat().st_mode & 0o777 == 0o700
    out, err = package.run(TMPDIR=str(tmp_path / "tmp"))
    assert out == "20 1 0"
    assert len(err.splitlines()) == 1


def test_no_home(package, tmp_path):
    """A home that cannot be made, whoever runs this: below a regular file."""
    (tmp_path / "file").touch()
    out, err = package.run(HOME=str(tmp_path / "file" / "home"), ACCELSIM_CACHE_DIR="")
    assert out == "20 0 1"
    assert len(other_lines(err)) == 1
    assert f"{tmp_path}/file/home/.cache/accelsim: not a directory" in err.replace("~", f"{tmp_path}/file/home")


def test_nowhere_to_write_at_all(package, tmp_path):
    (tmp_path / "file").touch()
    code = "import tempfile\ndef none():\n    raise FileNotFoundError\ntempfile.gettempdir = none\n" + CODE
    code = code.replace("tempfile.gettempdir = none", "tempfile.gettempdir = tempfile.mkdtemp = lambda **_: none()")
    out, err = package.run(code, ACCELSIM_CACHE_DIR=str(tmp_path / "file"))
    assert out == "20 0 1"
    assert len(other_lines(err)) == 1
    assert "nothing is kept" in err
    assert package.files() == []


def test_kernels_of_an_image_are_read_where_they_cannot_be_written(package, monkeypatch):
    package.run()
    code = "from accelsim import cache\ncache.refusal = lambda folder: 'read-only file system'\n" + CODE
    assert package.run(code) == ("20 1 0", "")


def test_kernels_of_other_sources_go_when_nothing_used_them_for_long(package):
    package.run()
    first = package.files()[0].parent
    package.add(2)
    package.run()
    assert first.exists()
    os.utime(first, (1e9, 1e9))
    package.add(3)
    package.run()
    assert not first.exists()
    assert len({path.parent for path in package.files()}) == 2


def test_what_is_compiled_is_said(package):
    place = package.cache / "accelsim" / "kernels"
    _, err = package.run()
    first, last = err.splitlines()
    assert first.startswith("accelsim: compiling kernels, once after an installation")
    assert f"kept in {place}" in first
    assert last.startswith("accelsim: compiled 2 kernels in ")
    assert package.run()[1] == ""
    package.add(4)
    assert package.run(ACCELSIM_QUIET="1")[1] == ""
