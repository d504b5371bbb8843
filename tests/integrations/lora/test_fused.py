"""The fused pass is peft's own, forward and backward."""

from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear

from lorag.integrations.lora.fused import fuse_lora


def make_layer(*, bias: bool = True, dropout: float = 0.0, dora: bool = False, rslora: bool = False) -> Any:
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=12, lora_dropout=dropout, use_dora=dora, use_rslora=rslora, init_lora_weights=False
    )
    layer = Linear(torch.nn.Linear(24, 16, bias=bias), "default", config, r=4, lora_alpha=12)
    for name, weight in layer.named_parameters():
        weight.requires_grad_("lora_" in name)
    return layer


def run(layer: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Output, and the gradients of x, A and B."""
    x = x.clone().requires_grad_()
    low, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    out = layer(x)
    return (out.detach(), *torch.autograd.grad((out.float() * torch.arange(16)).sin().sum(), (x, low, up)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 24), (7, 24), (24,)])
def test_forward_and_gradients_are_those_of_peft(bias: bool, rslora: bool, shape: tuple[int, ...]) -> None:
    layer = make_layer(bias=bias, rslora=rslora)
    x = torch.randn(shape)
    expected = run(layer, x)
    fuse_lora(layer)
    assert "forward" in vars(layer)
    for fused, own in zip(run(layer, x), expected, strict=True):
        assert torch.allclose(fused, own, atol=1e-3, rtol=1e-4)


def test_gradients_agree_with_finite_differences() -> None:
    layer = make_layer().double()
    # peft's own in double precision, as the fused backward returns float32 for the adapter.
    x = torch.randn(4, 24, dtype=torch.float64)
    expected = run(layer, x)
    fuse_lora(layer)
    for fused, own in zip(run(layer, x), expected, strict=True):
        assert torch.allclose(fused.double(), own, atol=1e-3, rtol=1e-5)


def test_nothing_of_the_frozen_weight_is_computed() -> None:
    layer = make_layer()
    fuse_lora(layer)
    layer(torch.randn(2, 24)).sum().backward()
    assert layer.base_layer.weight.grad is None
    assert layer.lora_B["default"].weight.grad is not None


@pytest.mark.parametrize("options", [{"dropout": 0.1}, {"dora": True}])
def test_what_it_does_not_compute_keeps_pefts_own(options: dict[str, Any]) -> None:
    layer = make_layer(**options)
    fuse_lora(layer)
    assert "forward" not in vars(layer)
