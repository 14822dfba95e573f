from __future__ import annotations

import pytest
import torch
from torch import nn

from i2i.data.batches import Unpaired
from i2i.engine.precision import Precision, batch_converter, choose_device, choose_precision, place, to_range
from i2i.errors import UsageError

CPU = torch.device("cpu")


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
@pytest.mark.parametrize(("dtype", "count"), [(torch.uint8, 256), (torch.uint16, 65536)])
def test_every_value_of_a_picture_comes_back_by_rounding(
    dtype: torch.dtype, count: int, value_range: tuple[float, float]
) -> None:
    low, high = value_range
    values = torch.arange(count).to(dtype)
    x = to_range(values, value_range)
    assert x.dtype == torch.float32
    back = ((x.double() - low) / (high - low) * (count - 1)).round()
    assert torch.equal(back, torch.arange(count).double())


@pytest.mark.parametrize(("dtype", "top"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_black_and_white_are_the_ends_of_the_range(dtype: torch.dtype, top: int) -> None:
    x = to_range(torch.tensor([0, top]).to(dtype), (-1.0, 1.0))
    torch.testing.assert_close(x, torch.tensor([-1.0, 1.0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_other_types_stay_as_they_are(dtype: torch.dtype) -> None:
    tensor = torch.tensor([0, 3, 255], dtype=dtype)
    assert to_range(tensor, (-1.0, 1.0)) is tensor


@pytest.mark.parametrize(("channels_last", "layout"), [(False, torch.contiguous_format), (True, torch.channels_last)])
def test_batches_arrive_in_range_and_in_the_chosen_memory_format(
    channels_last: bool, layout: torch.memory_format
) -> None:
    strided = torch.zeros(2, 5, 4, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    batch = batch_converter(CPU, (-1.0, 1.0), channels_last)(Unpaired(strided, strided.contiguous() + 255))
    assert isinstance(batch, Unpaired)
    for tensor, value in zip(batch, (-1, 1), strict=True):
        assert tensor.shape == (2, 3, 5, 4)
        assert tensor.unique().tolist() == pytest.approx([value])
        assert tensor.is_contiguous(memory_format=layout)


def test_labels_travel_with_a_batch_unchanged() -> None:
    pictures, labels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([3, 250])
    converted = batch_converter(CPU, (0.0, 1.0), channels_last=True)(Unpaired(pictures, labels))
    assert torch.equal(converted.real_b, labels)


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_are_placed_in_the_memory_format_ready_to_train(channels_last: bool) -> None:
    method = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 3)).eval()
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    place(method, CPU, channels_last)
    assert method.training
    for name, parameter in method.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.is_contiguous() or channels_last
        if channels_last and parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        choose_device("cuda:99")
    assert str(caught.value) == "device cuda:99 is not there. Use --device auto or --device cpu."
    assert caught.value.exit_code == 2


def test_a_cpu_is_always_there() -> None:
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_cuda_then_mps_then_the_cpu(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(device)


def test_the_first_two_of_two_graphics_cards_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device(name).index for name in ("cuda", "cuda:0", "cuda:1")] == [None, 0, 1]
    with pytest.raises(UsageError, match="device cuda:2 is not there"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("device", "supported", "wanted", "name"),
    [
        ("cpu", True, "auto", "fp32"),
        ("cuda", True, "auto", "bf16"),
        ("cuda", False, "auto", "fp32"),
        ("cpu", False, "bf16", "bf16"),
        ("cuda", True, "fp16", "fp16"),
    ],
)
def test_auto_is_bf16_on_cards_that_have_it_and_fp32_elsewhere(
    monkeypatch: pytest.MonkeyPatch, device: str, supported: bool, wanted: str, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert choose_precision(torch.device(device), wanted) == Precision(torch.device(device), name)


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"^precision fp8 is unknown\. Use fp32, bf16 or fp16\.$"):
        choose_precision(CPU, "fp8")


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_lowers_the_arithmetic_and_not_the_weights(name: str, dtype: torch.dtype) -> None:
    layer = nn.Conv2d(3, 4, 3)
    with Precision(CPU, name).autocast():
        assert layer(torch.zeros(1, 3, 5, 5)).dtype == dtype
    assert layer(torch.zeros(1, 3, 5, 5)).dtype == layer.weight.dtype == torch.float32


@pytest.mark.parametrize(("name", "scale"), [("fp32", 1), ("bf16", 1), ("fp16", 65536)])
def test_only_fp16_scales_its_losses(name: str, scale: float) -> None:
    assert Precision(CPU, name).scaler().scale(torch.ones(())) == scale
