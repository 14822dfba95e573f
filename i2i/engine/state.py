"""Everything of a training that outlives a restart, as named tensors and JSON values, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from i2i.engine.averaging import Average
from i2i.engine.checkpoint import Checkpoint
from i2i.engine.update import Engine
from i2i.errors import ModelError

KEPT_SETTINGS = "A run keeps its networks and stages; begin another one from it: i2i train METHOD DATA --init RUN"
Tensors = dict[str, dict[str, Tensor]]


def collect_state(engine: Engine, average: Average) -> tuple[Tensors, dict[str, Any]]:
    """Weights, buffers and averages; the optimisers' moments; counters and scales."""
    weights = {f"method.{name}": tensor for name, tensor in engine.method.state_dict().items()}
    for name, network in average.networks.items():
        weights |= {f"average.{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    moments: dict[str, Tensor] = {}
    for player, learner in engine.learners.items():
        for i, param in enumerate(learner.flat.params):
            held = learner.optimiser.state.get(param, {})  # nothing before the parameter's first step
            moments |= {f"{player}.{i}.{key}": value for key, value in held.items()}
    learners = engine.learners.items()
    state = {
        "index": engine.index,
        "stage": engine.stage,
        "stage_began": engine.began,
        "average_updates": average.updates,
        "asked": {player: learner.asked for player, learner in learners},
        "scalers": {player: learner.scaler.state_dict() for player, learner in learners},
    }
    return {"weights": weights, "optimisers": moments}, state


def restore_state(checkpoint: Checkpoint, engine: Engine, average: Average) -> None:
    """Puts a checkpoint back, into the memory formats at hand. Raises ModelError when it belongs to another method."""
    weights, moments, state = checkpoint.tensors["weights"], checkpoint.tensors["optimisers"], checkpoint.state
    try:
        engine.method.load_state_dict(_below("method.", weights))
        for name, network in average.networks.items():
            network.load_state_dict(_below(f"average.{name}.", weights))
    except RuntimeError as error:
        what = f"the checkpoint of step {checkpoint.step} has other networks than config.toml says."
        raise ModelError(what, hint=KEPT_SETTINGS) from error
    engine.index = state["index"]
    engine.go_on_in(state["stage"], state.get("stage_began", 0))
    average.updates = state["average_updates"]
    for player, learner in engine.learners.items():
        learner.asked = list(state["asked"][player])
        learner.scaler.load_state_dict(state["scalers"][player])
        for i, param in enumerate(learner.flat.params):
            saved = _below(f"{player}.{i}.", moments)
            if saved and ("exp_avg" in saved) != isinstance(learner.optimiser, torch.optim.Adam):
                what = f"the checkpoint of step {checkpoint.step} is one of another optimiser."
                raise ModelError(what, hint="A run keeps its optimiser: leave train.optimiser as it was.")
            if saved:
                learner.optimiser.state[param] = {key: _like(value, param) for key, value in saved.items()}
        learner.newly_asked()
        learner.newly_skipped()  # those before the checkpoint were reported


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _like(saved: Tensor, param: Tensor) -> Tensor:
    """A moment in its parameter's strides; a step count as it is."""
    if saved.shape != param.shape:
        return saved.to(param.device)
    return torch.empty_like(param, dtype=saved.dtype, requires_grad=False).copy_(saved)
