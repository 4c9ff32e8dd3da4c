"""Damaged and extreme arrays of operands: numbers of the right shape, or one line; never more memory than is wanted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest

from accelsim.sparsity.operands import Operands
from accelsim.workload.problem import TENSORS
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse
from fuzz.bounds import kept
from fuzz.test_files import LAYER

NAMES = ("ifmap", "filter", "ofmap")
SHAPES = {"ifmap": (1, 8, 4, 4), "filter": (8, 8, 1, 1), "ofmap": (1, 8, 4, 4)}
DTYPES = ["i1", "u1", "i2", "i4", "i8", "u8", "f2", "f4", "f8", "?", "c8", "U3", "S9", "O", "M8[s]", "V5", ">i4", "f16"]


def array(name: str, random: Random) -> np.ndarray:
    """Nearly always the right shape, of any dtype, with words no machine has."""
    shape = (
        SHAPES[name]
        if random.random() < 0.7
        else tuple(random.choice([0, 1, 4, 8, 3]) for _ in range(random.randrange(6)))
    )
    found = (
        np.array(random.choices([0, 1, 0, 5, 100], k=int(np.prod(shape)))).reshape(shape).astype(random.choice(DTYPES))
    )
    if found.size and found.dtype.kind in "if" and random.random() < 0.3:
        info = np.finfo(found.dtype) if found.dtype.kind == "f" else np.iinfo(found.dtype)
        extreme = (
            [np.nan, np.inf, -np.inf, 0.5, info.max, info.min] if found.dtype.kind == "f" else [info.max, info.min]
        )
        found.flat[random.randrange(found.size)] = random.choice(extreme)
    return np.asfortranarray(found) if random.random() < 0.2 else found


def promise(random: Random) -> bytes:
    """A header that promises more than there is: words, letters of itself, a bomb."""
    shape = random.choice(
        [(10**9,), (2**62, 4), (1, 8, 4, 10**9), (-1,), (1, 8, 4, 4), (10**30,), (True,), (2**40, 2**40)]
    )
    kind = random.choice(["<f8", "|O", "<i9", "|V9999999999", "", "<U1000000000", "f8,f8"])
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(random.choice([118, 60_000]))
    length = random.choice([len(text), len(text), 2**16 - 1, 0, 5])
    version = random.choice([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
    size = 2 if version == b"\x01\x00" else 4
    if size == 4 and random.random() < 0.3:
        length = 2**32 - 1
    return b"\x93NUMPY" + version + (length % 2 ** (8 * size)).to_bytes(size, "little") + text.encode() + bytes(2**14)


def content(name: str, random: Random) -> bytes:
    """One .npy, whole, damaged or made up."""
    if random.random() < 0.25:
        return promise(random)
    buffer = io.BytesIO()
    np.save(buffer, array(name, random), allow_pickle=True)
    data = bytearray(buffer.getvalue())
    for _ in range(random.choice([0, 0, 1, 4])):
        data[random.randrange(min(len(data), 130 if random.random() < 0.7 else len(data)))] = random.randrange(256)
    return bytes(data[: random.choice([len(data), len(data), random.randrange(len(data))])])


def given(seed: int, folder: Path) -> None:
    """One folder, or one .npz, of operands."""
    random = Random(f"operands {seed}")
    where = folder / str(seed)
    where.mkdir()
    network = network_of(parse(LAYER))
    source, packed = where, random.random() < 0.6
    if packed:
        alone = random.random() < 0.5
        source = folder / f"{seed}.npz" if alone else where
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name in NAMES:
                archive.writestr(f"{'A.' if alone else ''}{name}.npy", content(name, random))
        data = bytearray(buffer.getvalue())
        for _ in range(random.choice([0, 0, 1, 3])):
            data[random.randrange(len(data))] = random.randrange(256)
        (source if alone else where / "A.npz").write_bytes(data)
    else:
        for name in NAMES:
            (where / f"A.{name}.npy").write_bytes(content(name, random))

    def work() -> None:
        operands = Operands(network, source)
        operands.masks(network.layers[0]).check(network.layers[0].problem)
        values = operands.values(network.layers[0], dict.fromkeys(TENSORS, 16))
        assert [value.size for value in values] == [128, 64]

    kept(work)


def test_operands_are_read_or_refused(tmp_path):
    for seed in range(200):
        given(seed, tmp_path)


@pytest.mark.nightly
def test_thousands_of_operands_are_read_or_refused(tmp_path):
    for seed in range(1_000, 11_000):
        given(seed, tmp_path)
