"""In which unit an entry of a model's logits is read: raw, as odds, as a probability or its logarithm."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from lineal.errors import OptionError, listing

Unit = Literal["logit", "log_odds", "log_prob", "prob"]
Activation = Literal["softmax", "sigmoid", "none"]


def in_unit(logits: Tensor, index: int, unit: Unit, activation: Activation = "softmax") -> Tensor:
    """Return entry `index` of `logits` (n, C) in `unit`, as (n,).

    Under a softmax: logit z_c; log_odds z_c − log Σ_{j≠c} exp z_j = log p/(1 − p); log_prob; prob. Under a sigmoid each class stands
    alone: log_odds is the logit itself. With activation "none" (a regression head) only the raw value exists.
    """
    chosen = logits[:, index]
    if unit == "logit" or (unit == "log_odds" and activation == "sigmoid"):
        return chosen
    if activation == "none":
        raise OptionError(f"a regression output has no {unit}; use unit 'logit', which is its raw value")
    if unit == "log_odds":
        others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=-1)
        return chosen - torch.logsumexp(others, dim=-1)
    log_prob = torch.nn.functional.logsigmoid(chosen) if activation == "sigmoid" else chosen - torch.logsumexp(logits, dim=-1)
    return log_prob if unit == "log_prob" else log_prob.exp()


def check_unit(unit: str) -> Unit:
    """Return `unit` when it is one; OptionError lists them otherwise."""
    if unit not in get_args(Unit):
        raise OptionError(f"unknown unit {unit!r}; choose one of {listing(get_args(Unit))}")
    return unit  # type: ignore[return-value]
