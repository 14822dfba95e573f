"""From a method's yields to changed weights: gradients, micro-batches, processes, optimisers.

The engine knows no method. A step is a generator; between two of its yields the engine differentiates the losses for
the named players only, averages over micro-batches and processes, and steps those players' optimisers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from i2i.engine.distributed import Processes
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision
from i2i.engine.schedule import stage_of
from i2i.methods.base import Draws, Method, Player, Stage, StepInfo, Update, derive_seed

MakeOptimiser = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
Updates = tuple[Update, ...]


class Flat:
    """A player's gradient: one buffer, viewed in each parameter's own strides.

    `torch.autograd.grad` returns gradients in strides of its own choice, and fused Adam on a CPU then steps wrongly
    without a word. Written into these views, every value lies where its parameter has it; nor do two parameters share
    one gradient, as autograd lets them.
    """

    def __init__(self, params: Sequence[nn.Parameter]) -> None:
        sizes, first = [p.numel() for p in params], params[0]
        self.params = list(params)
        self.all = torch.zeros(sum(sizes), dtype=first.dtype, device=first.device)
        pieces = torch.split(self.all, sizes)
        self.views = [piece.as_strided(p.shape, p.stride()) for piece, p in zip(pieces, params, strict=True)]


class Learner:
    """A player with its optimiser, gradient buffer and scaler."""

    def __init__(self, name: str, player: Player, make_optimiser: MakeOptimiser, precision: Precision) -> None:
        self.name, self.clip, self.rate = name, player.clip, player.rate
        self.flat = Flat(player.parameters())
        self.optimiser = make_optimiser(self.flat.params)
        self.scaler = precision.scaler()
        self.asked = [0] * len(self.flat.params)  # updates asked for, by parameter: a partial one asks for some
        self._skipped = self._asked = 0

    def forget(self, make_optimiser: MakeOptimiser) -> None:
        """A fresh optimiser: no moments, no step count."""
        self.optimiser = make_optimiser(self.flat.params)
        self.asked = [0] * len(self.flat.params)
        self._skipped = self._asked = 0

    def newly_asked(self) -> int:
        """Updates asked for since the last call."""
        before, self._asked = self._asked, max(self.asked)
        return self._asked - before

    def newly_skipped(self) -> int:
        """Updates asked for and not made since the last call. Waits for the device."""
        stepped = [i for i, param in enumerate(self.flat.params) if param in self.optimiser.state]
        made = dict.fromkeys(range(len(self.asked)), 0.0)
        if stepped:
            counts = torch.stack([self.optimiser.state[self.flat.params[i]]["step"] for i in stepped])
            made |= dict(zip(stepped, counts.tolist(), strict=True))
        before, self._skipped = self._skipped, max(asked - int(made[i]) for i, asked in enumerate(self.asked))
        return self._skipped - before


@dataclass
class Use:
    """What one round does to a player: which parameters have a gradient, and the scale that it carries."""

    scaler: torch.amp.GradScaler
    seen: set[int] = field(default_factory=set)


class Engine:
    """Takes a method's steps. `index` counts them; all random numbers are functions of (seed, index)."""

    def __init__(
        self,
        method: Method,
        make_optimiser: MakeOptimiser,
        precision: Precision,
        *,
        seed: int = 0,
        micro_batches: int = 1,
        processes: Processes | None = None,
        stages: Sequence[Stage] = (Stage(),),
    ) -> None:
        self.method, self.precision, self.seed, self.micro = method, precision, seed, micro_batches
        self.processes = processes or Processes()
        self.index = 0
        self.stages = stages
        self.stage = stages[0].name
        self._make_optimiser = make_optimiser
        self.learners = {
            name: Learner(name, player, make_optimiser, precision) for name, player in method.players().items()
        }
        # MPS has no float64
        self._mean_dtype = torch.float32 if precision.device.type == "mps" else torch.float64

    def enter_stage(self) -> bool:
        """Whether the next step begins another stage of the method; its optimisers then are fresh ones."""
        stage, _ = stage_of(self.index, self.stages)
        if stage.name == self.stage:
            return False
        self.stage = stage.name
        for learner in self.learners.values():
            learner.forget(self._make_optimiser)
        return True

    @property
    def began(self) -> int:
        """The first step of the stage that the last step belonged to."""
        return next(stage.begin for stage in self.stages if stage.name == self.stage)

    def go_on_in(self, stage: str, began: int) -> None:
        """Goes on in a stage that began at that step, wherever the plan of a longer training would begin it."""
        self.stage = stage
        self.stages = [one._replace(begin=began) if one.name == stage else one for one in self.stages]

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step; each player learns at its own share of it."""
        for learner in self.learners.values():
            for group in learner.optimiser.param_groups:
                group["lr"] = rate * learner.rate

    def newly_asked(self) -> dict[str, int]:
        """Updates asked for since the last call, by player: a step may have several."""
        return {name: learner.newly_asked() for name, learner in self.learners.items()}

    def newly_skipped(self) -> dict[str, int]:
        """Updates skipped for non-finite gradients since the last call, by player. Waits for the device."""
        return {name: learner.newly_skipped() for name, learner in self.learners.items()}

    def step(self, feed: Feed, samples: int) -> dict[str, Tensor]:
        """One step of the method on `samples` pictures of this process; the means of its losses, on the device."""
        feed.begin()
        infos = [self._info(k, samples // self.micro) for k in range(self.micro)]
        runs = [self.method.step(feed.part(k), at) for k, at in enumerate(infos)]
        losses: dict[str, Tensor] = {}
        number = 0
        try:
            while (means := self._round(runs, infos, number)) is not None:
                losses |= means
                number += 1
        finally:
            for run in runs:
                run.close()  # type: ignore[attr-defined]
        self.index += 1
        return losses

    def _info(self, micro: int, samples: int) -> StepInfo:
        part, parts = self.processes.rank * self.micro + micro, self.processes.world * self.micro
        like = next(self.method.parameters())
        draws = Draws(self.seed, self.index, part, parts, like)
        stage, _ = stage_of(self.index, self.stages)
        return StepInfo(self.index, stage.name, self.index - stage.begin, samples, part, parts, draws)

    def _round(self, runs: list[Iterator[Any]], infos: list[StepInfo], number: int) -> dict[str, Tensor] | None:
        """All parts up to their next yield, then the optimisers; None when the step is over."""
        plan: list[tuple[Any, ...]] | None = None
        used: dict[str, Use] = {}
        total: Tensor | None = None
        for run, at in zip(runs, infos, strict=True):
            updates = self._resume(run, at, number)
            way = [(u.players, *u.losses, "|", *u.log) for u in updates]
            plan = way if plan is None else plan
            if way != plan:
                raise RuntimeError(f"micro-batches yield different updates: {plan} and {way}")
            for u in updates:
                self._differentiate(u, used, retain=u is not updates[-1])
            if updates:
                values = [
                    v.detach().to(self._mean_dtype) for u in updates for v in (*u.losses.values(), *u.log.values())
                ]
                scalars = torch.stack(values) / len(runs)
                total = scalars if total is None else total + scalars
        if not plan or total is None:
            self.processes.agree(plan, self.precision.device)  # one that still yields would wait for this one
            return None
        total = self._average(used, total, plan)
        self._learn(used)
        names = [name for u in updates for name in (*u.losses, *u.log)]
        means = dict(zip(names, total, strict=True))
        self.method.updated(tuple(used), means, infos[0])
        return means

    def _resume(self, run: Iterator[Any], at: StepInfo, number: int) -> Updates:
        # Dropout draws from the global generator: seeded so, it is the same whatever ran before.
        torch.manual_seed(derive_seed(self.seed, at.index, at.part, number))
        with self.precision.autocast():
            updates = next(run, ())
        if not torch.is_grad_enabled():
            raise RuntimeError("the method yields inside `with torch.no_grad()`: close it before the yield")
        return updates if isinstance(updates, tuple) else (updates,)

    def _differentiate(self, update: Update, used: dict[str, Use], *, retain: bool) -> None:
        """Adds the gradients of one update to its players' buffers. Other networks get no weight gradients."""
        names = (update.players,) if isinstance(update.players, str) else update.players
        learners = [self.learners[name] for name in names]
        # All losses of a yield carry one scale, the first player's: several may add to the gradient of one player.
        scaler = next(iter(used.values())).scaler if used else learners[0].scaler
        for name in names:
            used.setdefault(name, Use(scaler))
        params = [p for learner in learners for p in learner.flat.params]
        loss = sum(update.losses.values(), torch.zeros((), device=params[0].device)) / self.micro
        scaled = scaler.scale(loss)
        grads = iter(torch.autograd.grad(scaled, params, retain_graph=retain, allow_unused=True))
        for learner in learners:
            seen = used[learner.name].seen
            for i, view in enumerate(learner.flat.views):
                gradient = next(grads)
                if gradient is None:
                    if not update.partial:
                        raise RuntimeError(
                            f"{self._name(learner.flat.params[i])} has no path to {learner.name}'s losses"
                        )
                elif i in seen:
                    view.add_(gradient)
                else:
                    view.copy_(gradient)
                    seen.add(i)

    def _average(self, used: dict[str, Use], means: Tensor, plan: object) -> Tensor:
        if self.processes.world == 1:
            return means
        gradients = []
        for name, use in used.items():
            flat = self.learners[name].flat
            for i in set(range(len(flat.views))) - use.seen:
                flat.views[i].zero_()
            gradients.append(flat.all)
        return self.processes.average(gradients, means, (plan, {name: sorted(use.seen) for name, use in used.items()}))

    def _learn(self, used: dict[str, Use]) -> None:
        """One step of each used player's optimiser. Parameters without a gradient keep their value and moments."""
        reached = {name: use for name, use in used.items() if use.seen}  # a partial update may reach nothing
        for name, use in reached.items():
            learner = self.learners[name]
            for i, param in enumerate(learner.flat.params):
                learner.asked[i] += i in use.seen
                param.grad = learner.flat.views[i] if i in use.seen else None
            use.scaler.unscale_(learner.optimiser)
            if learner.clip:
                clip_grad_norm_(learner.flat.params, learner.clip)
            use.scaler.step(learner.optimiser)
            for param in learner.flat.params:
                param.grad = None
        for scaler in {id(use.scaler): use.scaler for use in reached.values()}.values():
            # Without float16 the scale stays 1: the scaler is there to skip non-finite gradients.
            scaler.update(None if self.precision.name == "fp16" else 1.0)

    def _name(self, param: nn.Parameter) -> str:
        return next(name for name, p in self.method.named_parameters() if p is param)
