"""Adam and SGD on one flat tensor, through torch's functional forms.

torch.optim's classes import the compiler on first use, 2.4 s in every stage; the functions behind them do not.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from pipeline.values.config import Adam, Sgd


class Optimizer:
    """State is fresh, all zeros: it belongs to one training, never to two rounds."""

    def __init__(self, flat: Tensor, grad: Tensor, chosen: Adam | Sgd) -> None:
        self.flat, self.grad = flat, grad
        common: dict[str, Any] = {"lr": chosen.lr, "weight_decay": chosen.weight_decay, "maximize": False, "fused": True}
        self.state: dict[str, Tensor]
        if isinstance(chosen, Adam):
            names = "exp_avg", "exp_avg_sq"
            self.state = {name: torch.zeros_like(flat) for name in names} | {"step": torch.zeros((), device=flat.device)}
            self.settings = common | {"amsgrad": False, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
        else:
            self.state = {"momentum_buffer": torch.zeros_like(flat)} if chosen.momentum else {}
            self.settings = common | {"momentum": chosen.momentum, "dampening": 0.0, "nesterov": False}

    def step(self) -> None:
        state = self.state
        if "exp_avg" in state:
            adam([self.flat], [self.grad], [state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]], **self.settings)
        else:
            sgd([self.flat], [self.grad], [state.get("momentum_buffer")], **self.settings)
