"""How this chapter's answers are used: layers are built where the answer runs, and only numbers come back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlcv.checking.probes import gradients

__all__ = ["as_filters", "as_layer", "on_windows"]


def as_filters(answer, weight: Tensor, bias: Tensor | None, in_channels: int, kernel_size, x: Tensor):
    """Give the answer a fully connected layer, and `x` to the convolution that it returns."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    conv = answer(linear, in_channels, kernel_size)
    _check_layer(conv)
    with torch.no_grad():
        return answer.run(conv, x)


def on_windows(answer, weight: Tensor, bias: Tensor, image: Tensor, window, stride):
    """Give the answer a classifier: one linear layer on the flattened window."""

    def classifier(windows: Tensor) -> Tensor:
        expected = (weight.shape[1], weight.shape[0])
        if windows.dim() != 4 or windows[0].numel() != expected[0]:
            raise ValueError(
                f"the classifier takes (N, C, height, width) windows; got {tuple(windows.shape)}"
            )
        return windows.flatten(1) @ weight.T + bias

    return answer(classifier, image, window, stride)


def as_layer(answer, channels: int, factor: int, x: Tensor):
    """Run the layer that the answer returns; hand out its filters, its output and the gradient of its weights."""
    layer = answer(channels, factor)
    _check_layer(layer)
    names = [name for name, _ in layer.named_parameters()]
    if len(names) != 1:
        given = ", ".join(names) or "none"
        raise ValueError(f"the layer must have one parameter, its filters, and no bias; yours has: {given}")
    (weight,) = layer.parameters()
    output = answer.run(layer, x)
    return {
        "output": output,
        "weight": weight.detach(),
        "gradient of the weight": gradients(output, [weight])[0],
    }


def _check_layer(layer) -> None:
    if not isinstance(layer, nn.Module):
        raise TypeError(f"the answer must be a layer, an nn.Module; you returned a {type(layer).__name__}")
