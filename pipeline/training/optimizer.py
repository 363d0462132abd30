"""Adam, AdamW and SGD on one flat tensor, through torch's functional forms.

The classes of torch.optim import the compiler on first use, which takes 2.4 s in every stage; these functions do not.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from pipeline.values.optimizer import AdamW, OptimizerSettings, Sgd


class Optimizer:
    """The state starts at all zeros, because it belongs to one training and never to two rounds.

    lr is a number, or on CUDA a tensor, whose content a recorded step reads each time.
    """

    def __init__(self, flat: Tensor, grad: Tensor, chosen: OptimizerSettings) -> None:
        self.flat, self.grad = flat, grad
        self.lr: float | Tensor = torch.tensor(chosen.lr, device=flat.device) if flat.is_cuda else chosen.lr
        common: dict[str, Any] = {"weight_decay": chosen.weight_decay, "maximize": False, "fused": True}
        self.state: dict[str, Tensor]
        if isinstance(chosen, Sgd):
            self.state = {"momentum_buffer": torch.zeros_like(flat)} if chosen.momentum else {}
            self.settings = common | {"momentum": chosen.momentum, "dampening": 0.0, "nesterov": False}
        else:
            names = "exp_avg", "exp_avg_sq"
            self.state = {name: torch.zeros_like(flat) for name in names} | {"step": torch.zeros((), device=flat.device)}
            common |= {"decoupled_weight_decay": isinstance(chosen, AdamW)}
            self.settings = common | {"amsgrad": False, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

    def set_rate(self, lr: float) -> None:
        if isinstance(self.lr, Tensor):
            self.lr.fill_(lr)
        else:
            self.lr = lr

    def step(self) -> None:
        state, settings = self.state, self.settings | {"lr": self.lr}
        if "exp_avg" in state:
            adam([self.flat], [self.grad], [state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]], **settings)
        else:
            sgd([self.flat], [self.grad], [state.get("momentum_buffer")], **settings)
