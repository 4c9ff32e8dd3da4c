"""Where operands come from: densities and files; what files may hold, and each way they can be wrong."""

import io
import resource
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError, SpecError
from accelsim.sparsity.arrays import Store
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.sparsity.operands import Operands
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

NETWORK = """\
name: toy
source: test
input: {C: 4, H: 6, W: 5}
layers:
  CONV1: {op: conv, M: 6, kernel: 3, pad: 1, groups: 2, density: {ifmap: 0.5, filter: {pattern: 1:2}}}
  CONV2: {op: conv, M: 3, kernel: [2, 1], stride: 2, density: {ofmap: 1}}
  FC: {op: fc, M: 7}
"""
BITS = dict.fromkeys(TENSORS, 8)


def network(batch=2):
    return network_of(parse(NETWORK), batch)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A network of batch 2 and a directory of good arrays, seen as `data`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    found = network()
    for layer in found.mac_layers:
        np.savez(f"data/{layer.name}.npz", **arrays(layer))
    return found


def arrays(layer):
    rng = np.random.default_rng(len(layer.name))
    return {
        name: rng.integers(-3, 4, shape_of(layer.problem, tensor))
        for name, tensor in zip(("ifmap", "filter", "ofmap"), TENSORS, strict=True)
    }


def ask(network, data, layer, tensors, values):
    found = Operands(network, data)
    return found.values(layer, BITS) if values else found.masks(layer, tensors)


def refused(network, layer="CONV1", tensors=TENSORS, values=False, data="data"):
    """The one line."""
    at = next(x for x in network.layers if x.name == layer)
    with pytest.raises(SpecError) as error:
        ask(network, data, at, tensors, values)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestDensities:
    def test_masks(self):
        toy = network()
        found = Operands(toy)
        masks = found.masks(toy.layers[0])
        masks.check(toy.layers[0].problem)
        assert masks.ifmap.sum() == 2 * 4 * 6 * 5 // 2
        assert (masks.filter.sum(2) == 1).all()
        assert masks.ofmap is None
        again = Operands(toy).masks(toy.layers[0])
        assert (masks.ifmap == again.ifmap).all()
        assert (masks.ifmap != Operands(toy, seed=1).masks(toy.layers[0]).ifmap).any()

    def test_only_what_is_asked_for(self):
        toy = network()
        masks = Operands(toy).masks(toy.layers[0], {Tensor.FILTER})
        assert masks.ifmap is None and masks.filter is not None

    def test_dense(self):
        toy = network()
        for layer in toy.layers[1:]:
            masks = Operands(toy).masks(layer)
            assert (masks.ifmap, masks.filter, masks.ofmap) == (None, None, None)

    def test_values_are_zero_where_the_masks_are(self):
        toy = network()
        found = Operands(toy)
        masks, (ifmap, weights) = found.masks(toy.layers[0]), found.values(toy.layers[0], BITS)
        assert ((ifmap != 0) == masks.ifmap).all()
        assert ((weights != 0) == masks.filter).all()
        assert ifmap.dtype == weights.dtype == np.int8
        assert ifmap.min() >= -8 and ifmap.max() <= 7 and ifmap.min() < 0 < ifmap.max()
        narrow = found.values(toy.layers[2], dict.fromkeys(TENSORS, 2))[0]
        assert set(np.unique(narrow)) == {-2, -1, 1}
        assert set(np.unique(found.values(toy.layers[2], dict.fromkeys(TENSORS, 1))[0])) == {1}

    def test_identity_and_description(self, toy):
        drawn, read = Operands(toy, seed=3), Operands(toy, "data")
        assert [drawn.identity(x) for x in toy.layers] == ["CONV1", "CONV2", ""]
        assert [read.identity(x) for x in toy.layers] == ["CONV1", "CONV2", "FC"]
        assert drawn.describe() == "densities of workload 'toy', seed 3"
        assert read.describe() == "arrays in data"
        bare = network_of(parse("name: n\nsource: t\ninput: {C: 3}\nlayers: {A: {op: fc, M: 2}}\n"))
        assert Operands(bare).describe() == "no zeros: workload 'n' gives no density"

    def test_a_seed_below_zero(self, toy):
        with pytest.raises(AccelsimError, match="seed is -1; it must be at least 0"):
            Operands(toy, seed=-1)


class TestFiles:
    def test_directory_of_npz(self, toy):
        for layer in toy.mac_layers:
            given_ = arrays(layer)
            masks = Operands(toy, "data").masks(layer)
            masks.check(layer.problem)
            for tensor, array in zip(TENSORS, given_.values(), strict=True):
                assert (masks.of(tensor) == (array != 0)).all()
            ifmap, weights = Operands(toy, "data").values(layer, BITS)
            assert (ifmap == given_["ifmap"]).all() and (weights == given_["filter"]).all()

    def test_npy_files_and_one_npz(self, toy, tmp_path):
        (tmp_path / "single").mkdir()
        one = {}
        for layer in toy.mac_layers:
            for name, array in arrays(layer).items():
                np.save(f"single/{layer.name}.{name}.npy", array)
                one[f"{layer.name}.{name}"] = array
        np.savez_compressed("one.npz", **one)
        for layer, source in product(toy.mac_layers, ("single", "one.npz")):
            there, here = Operands(toy, "data").masks(layer), Operands(toy, source).masks(layer)
            for tensor in TENSORS:
                assert (there.of(tensor) == here.of(tensor)).all()

    @pytest.mark.parametrize(
        ("layer", "name", "shapes"),
        [
            (0, "ifmap", [(2, 4, 6, 5), (2, 2, 2, 6, 5)]),
            (0, "filter", [(6, 2, 3, 3), (2, 3, 2, 3, 3)]),
            (0, "ofmap", [(2, 6, 6, 5), (2, 2, 3, 6, 5)]),
            (2, "ifmap", [(2, 27), (2, 27, 1, 1), (2, 1, 27, 1, 1)]),
            (2, "filter", [(7, 27), (7, 27, 1, 1), (1, 7, 27, 1, 1)]),
            (2, "ofmap", [(2, 7), (2, 7, 1, 1)]),
        ],
    )
    def test_shapes(self, toy, layer, name, shapes):
        at = toy.layers[layer]
        assert at.problem["C"] == (2, 6, 27)[layer]
        array = arrays(at)[name]
        for shape in shapes:
            np.savez(f"data/{at.name}.npz", **{name: array.reshape(shape)})
            masks = Operands(toy, "data").masks(at)
            mask = getattr(masks, name)
            assert mask.tolist() == (array != 0).tolist()
            # what has no array has no zeros
            assert [x for x in (masks.ifmap, masks.filter, masks.ofmap) if x is not None] == [mask]

    def test_one_image_needs_no_batch_axis(self, toy):
        one = network(1)
        np.savez("data/CONV1.npz", ifmap=np.ones((4, 6, 5)), ofmap=np.zeros((6, 6, 5)))
        masks = Operands(one, "data").masks(one.layers[0])
        assert masks.ifmap.all() and not masks.ofmap.any()

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, ">i4"])
    def test_dtypes(self, toy, dtype):
        array = (np.arange(240).reshape(2, 4, 6, 5) % 2).astype(dtype)
        np.savez("data/CONV1.npz", ifmap=array)
        assert (Operands(toy, "data").values(toy.layers[0], BITS)[0].reshape(array.shape) == array).all()

    def test_only_what_is_asked_for(self, toy):
        np.savez("data/CONV1.npz", ifmap=np.ones((2, 4, 6, 5)), filter=np.ones(3))
        assert Operands(toy, "data").masks(toy.layers[0], [Tensor.IFMAP]).ifmap.all()

    def test_values_of_the_declared_bits(self, toy):
        at, bits = toy.layers[0], BITS | {Tensor.IFMAP: 16}
        array = np.zeros((2, 4, 6, 5))
        for values, kind in (((-32768, 32767), np.int64), ((0, 65535), np.int64), ((-128, 127), np.int8)):
            array[0, 0, 0, :2] = values
            np.savez("data/CONV1.npz", ifmap=array)
            ifmap, weights = Operands(toy, "data").values(at, bits)
            assert ifmap.dtype == weights.dtype == kind
            assert (ifmap.min(), ifmap.max()) == (min(values[0], 0), values[1])
            # the filter, without an array, is drawn: there are no zeros in it
            assert weights.all()

    @pytest.mark.parametrize("kind", [np.int8, np.float64])
    def test_the_ofmap_may_be_derived(self, toy, kind):
        at = toy.layers[0]
        both = {name: arrays(at)[name].astype(kind) for name in ("ifmap", "filter")}
        np.savez("data/CONV1.npz", **both)
        assert Operands(toy, "data").masks(at).ofmap is None
        found = Operands(toy, "data", derive=True)
        expected = slow(at.problem, both["ifmap"].astype(int), both["filter"].astype(int))
        assert (found.masks(at).ofmap == (expected > 0)).all()
        assert found.describe() == "arrays in data; ofmaps not given: ReLU of the convolution"
        np.savez("data/CONV1.npz", ifmap=both["ifmap"])
        assert found.masks(at).ofmap is None


def slow(problem, ifmap, weights):
    n, g, m, c, p, q, r, s = problem.sizes
    out = np.zeros((n, g, m, p, q), object)
    for b, i, k, d, y, x, v, u in product(*map(range, (n, g, m, c, p, q, r, s))):
        h = y * problem.stride[0] + v * problem.dilation[0] - problem.pad[0]
        w = x * problem.stride[1] + u * problem.dilation[1] - problem.pad[1]
        if 0 <= h < problem.height and 0 <= w < problem.width:
            out[b, i, k, y, x] += int(ifmap[b, i, d, h, w]) * int(weights[i, k, d, v, u])
    return out


@pytest.mark.parametrize("top", [7, 2**15 - 1, 2**29])
def test_convolution(top):
    """Exact with words of 4, 16 and 30 bits: the last takes more than a float64 holds."""
    problem = Problem((2, 2, 2, 3, 3, 4, 3, 2), (2, 1), (1, 2), (1, 1), 6, 5)
    rng = np.random.default_rng(top)
    ifmap, weights = (rng.integers(-top, top + 1, shape_of(problem, t)) for t in (Tensor.IFMAP, Tensor.FILTER))
    assert (convolution(problem, ifmap, weights) == slow(problem, ifmap, weights)).all()


def test_a_convolution_past_two_to_the_63():
    problem = Problem.of({"C": 4})
    big = np.full(4, 2**31, np.int64)
    with pytest.raises(AccelsimError, match=r"could reach 18446744073709551616, past 2\^63"):
        convolution(problem, big.reshape(1, 1, 4, 1, 1), big.reshape(1, 1, 4, 1, 1))


class TestBadData:
    def save(self, **changes):
        good = {"ifmap": np.ones((2, 4, 6, 5)), "filter": np.ones((6, 2, 3, 3)), "ofmap": np.ones((2, 6, 6, 5))}
        np.savez("data/CONV1.npz", **(good | changes))

    def with_value(self, value, dtype=float):
        array = np.zeros((2, 4, 6, 5), dtype)
        array[1, 2, 3, 4] = value
        self.save(ifmap=array)

    def test_no_such_place(self, toy, tmp_path):
        assert refused(toy, data="dta") == "dta: no such file or directory"
        (tmp_path / "data.csv").write_text("1,2")
        assert refused(toy, data="data.csv") == "data.csv: wanted a directory of arrays, or one .npz file"

    def test_shape(self, toy):
        self.save(ifmap=np.ones((2, 4, 6, 6)))
        assert refused(toy) == "data/CONV1.npz: ifmap: shape 2x4x6x6; wanted 2x4x6x5 or 2x2x2x6x5"
        self.save(filter=np.float64(1))
        assert refused(toy) == "data/CONV1.npz: filter: shape (); wanted 6x2x3x3 or 2x3x2x3x3"
        np.savez("data/FC.npz", filter=np.ones((27, 7)))
        assert refused(toy, "FC") == "data/FC.npz: filter: shape 27x7; wanted 7x27x1x1, 1x7x27x1x1 or 7x27"

    def test_batch(self, toy):
        self.save(ifmap=np.ones((5, 4, 6, 5)))
        line = "data/CONV1.npz: ifmap: shape 5x4x6x5; wanted 2x4x6x5 or 2x2x2x6x5: it holds 5 images, the batch is 2"
        assert refused(toy) == line

    @pytest.mark.parametrize(
        "array", [np.full((2, 4, 6, 5), "a"), np.ones((2, 4, 6, 5), complex), np.zeros(3, "i4,f4")]
    )
    def test_dtype(self, toy, array):
        self.save(ifmap=array)
        assert refused(toy) == f"data/CONV1.npz: ifmap: dtype {array.dtype}; wanted integers or floats"

    def test_objects(self, toy):
        self.save(ifmap=np.array([None, {}], object))
        line = "holds pickled Python objects, which are not read; wanted numbers"
        assert refused(toy) == f"data/CONV1.npz: ifmap: {line}"
        Path("data/CONV1.npz").unlink()
        np.save("data/CONV1.ifmap.npy", np.array([None, {}], object))
        assert refused(toy) == f"data/CONV1.ifmap.npy: {line}"

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, toy, value):
        self.with_value(value)
        assert refused(toy) == f"data/CONV1.npz: ifmap[1, 2, 3, 4]: {value} is no number"

    def test_no_integer(self, toy):
        self.with_value(0.5)
        assert Operands(toy, "data").masks(toy.layers[0]).ifmap.sum() == 1
        line = "data/CONV1.npz: ifmap[1, 2, 3, 4]: 0.5 is no integer; values are carried out as integers"
        assert refused(toy, values=True) == line

    @pytest.mark.parametrize("value", [256, -129, 1e300, 2.0**63])
    def test_too_large(self, toy, value):
        self.with_value(value)
        line = f"data/CONV1.npz: ifmap[1, 2, 3, 4]: {float(value)} does not fit in 8 b (-128 to 127, or unsigned)"
        assert refused(toy, values=True) == line
        self.with_value(255)
        assert Operands(toy, "data").values(toy.layers[0], BITS)[0].max() == 255

    def test_negative_and_unsigned_do_not_go_together(self, toy):
        array = np.zeros((2, 4, 6, 5), int)
        array[0, 0, 0, :2] = -1, 200
        self.save(ifmap=array)
        assert "ifmap[0, 0, 0, 1]: 200 does not fit in 8 b" in refused(toy, values=True)

    def test_missing_layer(self, toy):
        Path("data/CONV1.npz").rename("data/conv1.npz")
        line = (
            "data: no arrays of layer 'CONV1'; wanted CONV1.npz, or CONV1.ifmap.npy, CONV1.filter.npy, CONV1.ofmap.npy"
        )
        assert refused(toy) == f"{line}; did you mean 'conv1.npz'?"
        Path("data/conv1.npz").unlink()
        # what belongs to CONV2 is not meant
        assert refused(toy) == line
        np.savez("one.npz", **{"FC.ifmap": np.ones((2, 27))})
        assert refused(toy, data="one.npz") == (
            "one.npz: no arrays of layer 'CONV1'; wanted 'CONV1.ifmap', 'CONV1.filter', 'CONV1.ofmap'"
        )

    def test_unknown_array(self, toy):
        self.save(ifmaps=np.ones(3))
        line = "unknown array 'ifmaps'; did you mean 'ifmap'? (ifmap, filter, ofmap)"
        assert refused(toy) == f"data/CONV1.npz: {line}"
        np.savez("one.npz", **{"CONV3.ifmap": np.ones(3)})
        assert refused(toy, data="one.npz").startswith("one.npz: unknown array 'CONV3.ifmap'; did you mean 'CONV")

    def test_given_twice(self, toy):
        np.save("data/CONV1.filter.npy", np.ones((6, 2, 3, 3)))
        assert refused(toy) == "data/CONV1.npz: there is CONV1.filter.npy too; leave one of them out"

    @pytest.mark.parametrize("content", [b"", b"\x93NUM", b"name: toy\n", b"\x80\x04N.", b"PK\x03\x04"])
    def test_not_what_it_is_called(self, toy, content):
        Path("data/CONV1.npz").write_bytes(content)
        assert refused(toy) == "data/CONV1.npz: cannot be read: not a .npz file, or cut short"
        Path("data/CONV1.npz").unlink()
        Path("data/CONV1.ifmap.npy").write_bytes(content)
        assert refused(toy) == "data/CONV1.ifmap.npy: cannot be read: not a .npy file"

    def test_a_directory_that_is_called_like_a_file(self, toy):
        Path("data/CONV1.npz").unlink()
        Path("data/CONV1.npz").mkdir()
        assert refused(toy).startswith("data/CONV1.npz: ")

    def test_a_member_that_is_no_array(self, toy):
        with zipfile.ZipFile("data/CONV1.npz", "w") as packed:
            packed.writestr("ifmap.npy", "1, 2, 3")
        assert refused(toy) == "data/CONV1.npz: ifmap: cannot be read: not a .npy file"

    def test_cut_short(self, toy):
        whole = Path("data/CONV1.npz").read_bytes()
        for length in range(0, len(whole) - 1, 97):
            Path("data/CONV1.npz").write_bytes(whole[:length])
            assert refused(toy).startswith("data/CONV1.npz: ")
        Path("data/CONV1.npz").unlink()
        np.save("data/CONV1.ifmap.npy", np.ones((2, 4, 6, 5)))
        whole = Path("data/CONV1.ifmap.npy").read_bytes()
        for length in range(0, len(whole) - 1, 17):
            Path("data/CONV1.ifmap.npy").write_bytes(whole[:length])
            assert refused(toy).startswith("data/CONV1.ifmap.npy: cannot be read: ")

    def test_a_header_that_promises_too_much(self, toy):
        Path("data/CONV1.npz").unlink()
        header = np.lib.format.header_data_from_array_1_0(np.ones(1)) | {"shape": (10**15,)}
        with Path("data/CONV1.ifmap.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
        assert refused(toy) == "data/CONV1.ifmap.npy: ifmap: shape 1000000000000000; wanted 2x4x6x5 or 2x2x2x6x5"
        # and one that promises four gigabytes of itself
        Path("data/CONV1.ifmap.npy").write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 20_000)
        assert refused(toy).startswith("data/CONV1.ifmap.npy: cannot be read: ")

    def test_of_a_file_of_gigabytes_the_header_alone_is_read(self, toy):
        """A bomb: zeros packed a thousandfold; and six gigabytes of holes."""
        header = io.BytesIO()
        told = np.lib.format.header_data_from_array_1_0(np.ones(1)) | {"shape": (800_000_000,)}
        np.lib.format.write_array_header_1_0(header, told)
        with Path("data/CONV1.ifmap.npy").open("wb") as file:
            file.write(header.getvalue())
            file.truncate(6_400_000_128)
        Path("data/CONV1.npz").unlink()
        line = "shape 800000000; wanted 2x4x6x5 or 2x2x2x6x5"
        assert refused(toy) == f"data/CONV1.ifmap.npy: ifmap: {line}"
        Path("data/CONV1.ifmap.npy").unlink()
        with zipfile.ZipFile("data/CONV1.npz", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("ifmap.npy", header.getvalue() + bytes(2**26))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert refused(toy) == f"data/CONV1.npz: ifmap: {line}"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**14  # KiB


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.booleans(), st.data())
def test_damaged_files_give_an_error_or_an_array(tmp_path_factory, packed, squeezed, data):
    """Whatever bytes are changed, the answer is one line or numbers of the right shape."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = io.BytesIO()
    array = np.arange(240, dtype=np.float32).reshape(2, 4, 6, 5)
    if packed:
        (np.savez_compressed if squeezed else np.savez)(whole, ifmap=array)
    else:
        np.save(whole, array)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / ("CONV1.npz" if packed else "CONV1.ifmap.npy")).write_bytes(content)
    toy = network()
    line, found = "", None
    try:
        found = Store(folder, [layer.name for layer in toy.layers]).array(toy.layers[0], Tensor.IFMAP)
    except SpecError as error:
        line = str(error)
    assert "\n" not in line
    if found is None:
        assert line.startswith(str(folder))
    else:
        assert found.words.shape == (2, 2, 2, 6, 5)
        assert np.isfinite(found.words).all()
