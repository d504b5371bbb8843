"""A LoRA layer's forward and backward pass as one operation: fewer passes over memory than layer by layer."""

from typing import Any

import torch
from peft.tuners.lora import Linear


class _LoraLinear(torch.autograd.Function):
    """`x W' + bias + scale * (x A') B'` for a frozen W, with gradients of x, A and B (Hu et al. 2021, section 4.1).

    x [..., n_in], W [n_out, n_in], A [rank, n_in] and B [n_out, rank]; A and B may be float32 while x is bfloat16.
    The scale is applied to A and B, which are small. Products are added in place, so nothing of the size of x is read
    or written twice.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scale: float) -> Any:
        flat = x.reshape(-1, x.shape[-1]).to(weight.dtype)  # [n, n_in]
        low, up = a.to(flat.dtype), (b * scale).to(flat.dtype)
        inner = flat @ low.t()  # [n, rank]
        out = torch.nn.functional.linear(flat, weight, bias).addmm_(inner, up.t())
        ctx.save_for_backward(flat, weight, low, up, inner)
        ctx.scale, ctx.shape, ctx.input_type = scale, x.shape, x.dtype
        return out.view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        flat, weight, low, up, inner = ctx.saved_tensors
        of_out = gradient.reshape(-1, gradient.shape[-1]).to(flat.dtype)
        of_inner = of_out @ up  # [n, rank]
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (of_out @ weight).addmm_(of_inner, low).view(ctx.shape).to(ctx.input_type)
        of_a = (of_inner.t() @ flat).float()
        of_b = (of_out.t() @ inner).float() * ctx.scale
        return of_x, None, None, of_a, of_b, None


def fuse_lora(module: Any) -> None:
    """Give a plain LoRA layer of peft the fused passes; DoRA, quantised layers and dropout keep those of peft."""
    name = "default"
    if type(module) is not Linear or module.use_dora.get(name) or module.lora_bias.get(name):
        return
    if not isinstance(module.lora_dropout[name], torch.nn.Identity) or type(module.base_layer) is not torch.nn.Linear:
        return
    base, low, up, scale = module.base_layer, module.lora_A[name], module.lora_B[name], module.scaling[name]

    def forward(x: torch.Tensor, *_: Any, **__: Any) -> Any:
        if not torch.is_grad_enabled():
            return Linear.forward(module, x)
        apply: Any = _LoraLinear.apply
        return apply(x, base.weight, base.bias, low.weight, up.weight, scale)

    module.forward = forward
