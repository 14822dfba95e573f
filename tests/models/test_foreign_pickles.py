"""Files that hold more than weights, or something else."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from i2i.errors import ModelError
from i2i.models.pickles import dense_tensors, read_in_child


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo harmed",)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    path = tmp_path / "old.pth"
    torch.save({"x": Harm()}, path)
    for read in (dense_tensors, read_in_child):
        with pytest.raises(ModelError) as caught:
            read(path)
        assert str(caught.value) == (
            f"{path}: is a pickle that wants to import 'posix.system'. Refused; nothing was run."
            " Ask its author for .safetensors."
        )
    assert "harmed" not in capfd.readouterr().out


def test_a_whole_network_is_refused(tmp_path: Path):
    torch.save(nn.Linear(1, 1), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"wants to import 'torch\.nn\.modules\.linear\.Linear'\. Refused"):
        dense_tensors(tmp_path / "whole.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_refused(tmp_path: Path):
    torch.jit.script(nn.Linear(1, 1)).save(tmp_path / "script.pt")
    with pytest.raises(ModelError, match=r"is a TorchScript program\. Refused; nothing was run\."):
        dense_tensors(tmp_path / "script.pt")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([torch.zeros(1)], "holds a list, no state dict."),
        ({"epoch": 3}, "is no state dict: no tensors, but 'epoch'. Save the network's state_dict() alone."),
        ({"G": 1, "D": {}, "E": {}}, "is no state dict: no tensors, but 'G', 'D', 'E'. Save"),
        ({3: torch.zeros(1)}, "holds a dict, no state dict."),
        ({"x": torch.zeros(2, 2).to_sparse()}, "'x' is no dense tensor."),
        ({"x": torch.zeros(1).expand(1000)}, "'x' is no dense tensor."),
    ],
)
def test_anything_but_dense_tensors_is_refused(tmp_path: Path, content: object, text: str):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=re.escape(text)):
        dense_tensors(tmp_path / "x.pth")


def test_the_hint_of_a_refusal_comes_back_from_the_child(tmp_path: Path):
    path = tmp_path / "training.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(ModelError) as caught:
        read_in_child(path)
    assert str(caught.value) == (
        f"{path}: is no state dict: no tensors, but 'epoch'. Save the network's state_dict() alone."
    )


def test_damage_is_one_line(tmp_path: Path):
    path = tmp_path / "x.pth"
    torch.save({"x": torch.zeros(1000)}, path)
    data = path.read_bytes()
    for content in (b"", b"hello", data[: len(data) // 2], pickle.dumps({"x": 1})):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"is no PyTorch file, or damaged|no tensors") as caught:
            dense_tensors(path)
        assert "\n" not in str(caught.value)


W, OTHER = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
WRAPPED = {
    "alone": {"w": W},
    "params": {"params": {"w": W}},
    "the average before the weights": {"params": {"w": OTHER}, "params_ema": {"w": W}},
    "the average of a training of SRGAN": {"epoch": 3, "state_dict": {"w": OTHER}, "ema_state_dict": {"w": W}},
    "a training": {"epoch": 3, "model_state_dict": {"w": W}, "optimizer": {"w": OTHER}},
    "twice": {"state_dict": {"net": {"w": W}}},
    "the only dict": {"epoch": 3, "weights": {"w": W}},
    "beside numbers": {"w": W, "step": 100, "name": "x"},
    "a tensor called net": {"net": W, "w": W},
}


@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED)
def test_the_network_is_found_among_what_a_training_saves(tmp_path: Path, content: dict[str, object]):
    torch.save(content, tmp_path / "x.pth")
    assert torch.equal(dense_tensors(tmp_path / "x.pth")["w"], W)


def test_a_dict_that_holds_itself_ends(tmp_path: Path):
    content: dict[str, object] = {}
    content["model"] = content
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ModelError, match="no tensors, but 'model'"):
        dense_tensors(tmp_path / "x.pth")


def test_a_deflated_file_with_tensors_of_a_graphics_card_is_read_on_a_cpu(test_data: Path):
    tensors = dense_tensors(test_data / "weights/realesr-animevideov3.pth")
    assert len(tensors) == 53
    assert sum(tensor.numel() for tensor in tensors.values()) == 621_424
    assert all(tensor.device.type == "cpu" for tensor in tensors.values())
