"""Other engines compute what torch computes before they race."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")


@pytest.fixture
def graphs(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import other_engines

    return other_engines.Graphs


def test_all_that_is_installed_gives_torchs_output_at_any_length(graphs):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8))
    made = graphs(net, torch.randn(4, 20), 0)
    for length in (4, 9):
        x = torch.randn(length, 20)
        found = made.contestants(x, 1)
        assert {name for name in found if name.startswith("OpenVINO")} <= {"OpenVINO fp32", "OpenVINO bf16"}
        for name, run in found.items():
            error = np.abs(run()[0] - net(x).detach().numpy()).max()
            assert error < (1e-5 if name.endswith("fp32") else 0.05), name


def test_what_computes_something_else_may_not_race(graphs, monkeypatch):
    pytest.importorskip("onnxruntime")
    net = torch.nn.Linear(6, 4)
    made = graphs(net, torch.randn(3, 6), 0)
    net.weight.data += 1
    with pytest.raises(ValueError, match="fp32 differs from torch"):
        made.contestants(torch.randn(3, 6), 1)
