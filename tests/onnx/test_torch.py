"""A PyTorch module is the network that its graph is; nothing imports PyTorch but what is asked to read one."""

from __future__ import annotations

import subprocess
import sys

import pytest

import accelsim
from accelsim.errors import AccelsimError


def test_nothing_imports_it():
    """Nor the library that reads graphs, as long as no graph is read."""
    text = "import sys, accelsim; accelsim.simulate; print({'onnx', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_pytorch_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(AccelsimError, match=r"^reading a module needs PyTorch: pip install torch onnxscript"):
        accelsim.from_torch(object(), ())


class TestWithPytorch:
    @pytest.fixture
    def torch(self):
        pytest.importorskip("onnxscript")
        return pytest.importorskip("torch")

    @pytest.fixture
    def module(self, torch):
        """A convolution with its norm, attention, and a product."""
        nn = torch.nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8)
                self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 5)

            def forward(self, x):
                x = torch.relu(self.norm(self.conv(x))).flatten(2).transpose(1, 2)
                return self.head((x + self.attention(x, x, x)[0]).mean(1))

        return Net()

    # positions of the attention are 8 x 8, its width is 8, of two heads of 4
    MACS = 64 * 8 * 27 + 64 * 24 * 8 + 2 * (64 * 64 * 8) + 64 * 8 * 8 + 5 * 8

    @pytest.mark.slow
    def test_a_module_is_a_network(self, torch, module):
        module.train()
        network = accelsim.from_torch(module, torch.zeros(1, 3, 16, 16))
        assert network.macs == self.MACS and network.weights == 8 * 27 + 24 * 8 + 8 * 8 + 5 * 8
        assert module.training and network.name == "Net"
        assert not network.coverage.not_modelled
        assert accelsim.from_torch(module, (torch.zeros(4, 3, 16, 16),)).macs == 4 * self.MACS

    @pytest.mark.slow
    def test_a_module_runs(self, torch, module):
        result = accelsim.simulate("eyeriss", module, inputs=(torch.zeros(1, 3, 16, 16),))
        assert result.total.macs == self.MACS

    def test_what_cannot_be_read_is_one_line(self, torch, module):
        with pytest.raises(AccelsimError, match=r"a Net is read as it runs: give inputs=\(x,\) too"):
            accelsim.simulate("eyeriss", module)
        with pytest.raises(AccelsimError, match=r"wanted a torch\.nn\.Module to run on the inputs, got a int"):
            accelsim.from_torch(5, torch.zeros(1))
        with pytest.raises(AccelsimError, match=r"^PyTorch cannot export Net to ONNX: ") as error:
            accelsim.from_torch(module, torch.zeros(1, 5, 16, 16))
        assert "\n" not in str(error.value)
