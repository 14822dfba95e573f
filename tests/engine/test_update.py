"""From yields to changed weights, tried with methods of a few numbers (CONTRACT: Pitfalls, Tests)."""

from __future__ import annotations

import copy
import gc
import math
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.engine.averaging import Average
from i2i.engine.checkpoint import Checkpoint
from i2i.engine.distributed import Processes, dist
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision, place
from i2i.engine.state import collect_state, restore_state
from i2i.engine.update import Engine
from i2i.errors import ModelError
from i2i.methods.base import Method, Player, Stage, StepInfo, Update

CPU = torch.device("cpu")


class Points(NamedTuple):
    """A batch of vectors."""

    x: Tensor  # (N, D)


class Number(nn.Module):
    """One trainable number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.value


class Toy(Method):
    """Every child is a player of its name; the step is the function that was given; `told` is what `updated` heard."""

    def __init__(self, step: Callable[..., Any], clip: float | None = None, **children: Any) -> None:
        super().__init__()
        self.given, self.clip = step, clip
        self.told: list[tuple[tuple[str, ...], dict[str, float]]] = []
        for name, child in children.items():
            self.add_module(name, child)

    def players(self) -> dict[str, Player]:
        return {name: Player(child, clip=self.clip) for name, child in self.named_children()}

    def step(self, feed: Callable[[], Points], at: StepInfo) -> Iterator[Any]:
        return self.given(self, feed, at)

    def updated(self, players: tuple[str, ...], means: Mapping[str, Tensor], at: StepInfo) -> None:
        self.told.append((players, {name: value.item() for name, value in means.items()}))


def descent(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Moves by the gradient itself, so that a step shows it."""
    return torch.optim.SGD(params, lr=1.0)


def adam(params: list[nn.Parameter], fused: bool = True) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=0.01, betas=(0.5, 0.999), fused=fused)


def engine_of(method: Method, make: Callable[..., Any] = descent, *, micro: int = 1, precision: Any = "fp32") -> Engine:
    return Engine(method, make, Precision(CPU, precision), seed=4, micro_batches=micro)


def points(*values: float) -> Points:
    return Points(torch.tensor(values, dtype=torch.float64).view(-1, 1))


def feed_of(*batches: Points, parts: int = 1) -> Feed:
    return Feed(cycle(batches or [points(1.0, 2.0)]), lambda batch: batch, parts)


def values(method: Method) -> dict[str, float]:
    return {name: p.item() for name, p in method.named_parameters()}


# Who learns, and when


def test_two_yields_of_a_step_learn_one_after_the_other():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"loss": toy.a() * toy.b()})
        yield Update("b", {"loss": toy.a() * toy.b()})

    toy = Toy(step, a=Number(2), b=Number(3))
    engine_of(toy).step(feed_of(), 2)
    assert values(toy) == {"a.value": 2 - 3, "b.value": 3 - (2 - 3)}
    assert toy.told == [(("a",), {"loss": 6}), (("b",), {"loss": -3})]


def test_updates_in_a_tuple_all_get_their_gradients_before_anybody_learns():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[tuple[Update, ...]]:
        shared = toy.a() * toy.b()  # one graph for both
        yield Update("a", {"first": shared}), Update("b", {"second": 2 * shared})

    toy = Toy(step, a=Number(2), b=Number(3))
    engine_of(toy).step(feed_of(), 2)
    assert values(toy) == {"a.value": 2 - 3, "b.value": 3 - 2 * 2}
    assert toy.told == [(("a", "b"), {"first": 6, "second": 12})]


def test_joint_players_both_learn_from_one_loss():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update(("a", "b"), {"loss": toy.a() * toy.b() * toy.c()})

    toy = Toy(step, a=Number(2), b=Number(3), c=Number(5))
    engine_of(toy).step(feed_of(), 2)
    assert values(toy) == {"a.value": 2 - 15, "b.value": 3 - 10, "c.value": 5}


def test_losses_are_summed_and_what_is_logged_is_not_learned():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"one": 3 * toy.a(), "two": 4 * toy.a()}, log={"size": 100 * toy.a()})

    toy = Toy(step, a=Number(1))
    losses = engine_of(toy).step(feed_of(), 2)
    assert values(toy) == {"a.value": 1 - 7}
    assert {name: value.item() for name, value in losses.items()} == {"one": 3, "two": 4, "size": 100}
    assert not any(value.requires_grad for value in losses.values())


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_micro_batches_add_up_to_the_mean_over_the_batch(micro: int):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"loss": (toy.a() * feed().x).square().mean()})

    toy = Toy(step, a=Number(1))
    engine_of(toy, micro=micro).step(feed_of(points(1, 2, 3, 4), parts=micro), 4)
    assert values(toy) == {"a.value": 1 - 2 * (1 + 4 + 9 + 16) / 4}
    assert toy.told == [(("a",), {"loss": 7.5})]


def test_the_rate_is_that_of_the_step_for_all_players():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update(("a", "b"), {"loss": toy.a() + toy.b()})

    toy = Toy(step, a=Number(0), b=Number(0))
    engine = engine_of(toy)
    for rate in (0.5, 0.25):
        engine.set_rate(rate)
        engine.step(feed_of(), 2)
    assert values(toy) == {"a.value": -0.75, "b.value": -0.75}


def test_a_player_learns_at_its_share_of_the_rate():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update(("a", "b"), {"loss": toy.a() + toy.b()})

    toy = Toy(step, a=Number(0), b=Number(0))
    toy.players = lambda: {"a": Player(toy.a), "b": Player(toy.b, rate=4)}
    engine = engine_of(toy)
    for rate in (0.5, 0.25):
        engine.set_rate(rate)
        engine.step(feed_of(), 2)
    assert values(toy) == {"a.value": -0.75, "b.value": -3}


# Gradients


def critic_loss(critic: nn.Module, batch: Points, penalty: bool) -> dict[str, Tensor]:
    real, fake = batch.x, batch.x.flip(0).square()
    losses = {"critic": critic(fake).square().mean() - critic(real).mean()}
    if penalty:
        mixed = (0.3 * real + 0.7 * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        losses["penalty"] = 10 * (slope.flatten(1).norm(2, 1) - 1).square().mean()
    return losses


def convolutions() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(3, 2, 3)).double()


@pytest.mark.parametrize("penalty", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_memory_format_fused_adam_and_penalty_learn_what_a_plain_loop_learns(
    layout: torch.memory_format, fused: bool, penalty: bool
):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("critic", critic_loss(toy.critic, feed(), penalty))

    images = torch.rand(2, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    plain = convolutions()
    optimiser = adam([*plain.parameters()], fused=False)
    for _ in range(5):
        optimiser.zero_grad()
        sum(critic_loss(plain, Points(images), penalty).values()).backward()
        optimiser.step()

    toy = Toy(step, critic=convolutions())
    place(toy, CPU, layout == torch.channels_last)
    engine = engine_of(toy, lambda params: adam(params, fused))
    for _ in range(5):
        engine.step(feed_of(Points(images.contiguous(memory_format=layout))), 2)
    for mine, theirs in zip(toy.critic.parameters(), plain.parameters(), strict=True):
        assert (mine - theirs).abs().max() < 1e-10


class Pair(nn.Module):
    """Two numbers of one player."""

    def __init__(self) -> None:
        super().__init__()
        self.p, self.q = (nn.Parameter(torch.zeros(2, dtype=torch.float64)) for _ in range(2))


@pytest.mark.parametrize("micro", [1, 2])
def test_two_parameters_that_share_one_gradient_each_get_it_once(micro: int):
    """Autograd gives p + q one tensor for both; sums in place made 12 of 8."""

    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[tuple[Update, ...]]:
        loss = (toy.pair.p + toy.pair.q).sum()
        yield Update("pair", {"one": 4 * loss}), Update("pair", {"two": 4 * loss})

    toy = Toy(step, pair=Pair())
    engine_of(toy, micro=micro).step(feed_of(parts=micro), 2)
    assert toy.pair.p.tolist() == toy.pair.q.tolist() == [-8, -8]


@pytest.mark.parametrize("fused", [False, True])
def test_a_partial_update_leaves_the_unused_parameter_and_its_moments_alone(fused: bool):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        used = toy.pair.p if at.index else toy.pair.p * toy.pair.q.exp()
        yield Update("pair", {"loss": (used - 1).square().sum()}, partial=True)

    toy, plain = Toy(step, pair=Pair()), Pair()
    engine = engine_of(toy, lambda params: adam(params, fused))
    engine.step(feed_of(), 2)
    q, moments = toy.pair.q, engine.learners["pair"].optimiser.state[toy.pair.q]
    before = q.detach().clone(), {key: value.clone() for key, value in moments.items()}
    for _ in range(3):
        engine.step(feed_of(), 2)
    assert torch.equal(q, before[0])
    assert all(torch.equal(moments[key], value) for key, value in before[1].items())
    assert moments["step"] == 1

    optimiser = adam([plain.p], fused=False)
    for index in range(4):
        optimiser.zero_grad()
        ((plain.p if index else plain.p * plain.q.detach().exp()) - 1).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(toy.pair.p, plain.p, rtol=0, atol=1e-12)


def test_parameters_that_learn_in_turn_are_not_counted_as_skipped():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        used = toy.pair.q if at.index % 2 else toy.pair.p
        yield Update("pair", {"loss": used.sum()}, partial=True)

    engine = engine_of(Toy(step, pair=Pair()), adam)
    for _ in range(4):
        engine.step(feed_of(), 2)
    assert engine.newly_skipped() == {"pair": 0}


def test_a_player_that_has_not_learned_yet_survives_a_save():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("used", {"loss": toy.used.p.sum() + toy.used.q.sum()})

    first, second = (engine_of(Toy(step, used=Pair(), idle=Pair()), adam) for _ in range(2))
    first.step(feed_of(), 2)
    tensors, state = collect_state(first, Average({}, 0, 1))
    restore_state(copy.deepcopy(Checkpoint(1, tensors, state)), second, Average({}, 0, 1))
    for engine in (first, second):
        engine.step(feed_of(), 2)
        assert engine.newly_skipped() == {"used": 0, "idle": 0}
    assert torch.equal(first.method.used.p, second.method.used.p)


def test_a_partial_update_that_reaches_nothing_changes_nothing():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("pair", {"loss": torch.zeros(1, dtype=torch.float64, requires_grad=True).sum()}, partial=True)

    toy = Toy(step, pair=Pair())
    engine_of(toy, adam).step(feed_of(), 2)
    assert toy.pair.p.tolist() == toy.pair.q.tolist() == [0, 0]


def test_micro_batches_together_use_what_any_of_them_used():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        used = toy.pair.q if at.part else toy.pair.p
        yield Update("pair", {"loss": used.sum()}, partial=True)

    toy = Toy(step, pair=Pair())
    engine = engine_of(toy, micro=2)
    for expected in (-0.5, -1.0):  # the second step must not see gradients of the first
        engine.step(feed_of(parts=2), 2)
        assert toy.pair.p.tolist() == toy.pair.q.tolist() == [expected] * 2


def test_a_parameter_without_a_path_to_the_losses_is_named():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("critic", {"loss": F.linear(feed().x, toy.critic[0].weight).mean()})

    toy = Toy(step, critic=nn.Sequential(nn.Linear(1, 1)).double())
    with pytest.raises(RuntimeError, match=r"^critic\.0\.bias has no path to critic's losses$"):
        engine_of(toy).step(feed_of(), 2)


class Vector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p, self.q = (nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))


@pytest.mark.parametrize(("clip", "expected"), [(None, (3, 4)), (6, (3, 4)), (1, (0.6, 0.8))])
def test_clip_bounds_the_norm_of_all_gradients_of_a_player(clip: float | None, expected: tuple[float, float]):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("vector", {"loss": (3 * toy.vector.p + 4 * toy.vector.q).sum()})

    toy = Toy(step, clip=clip, vector=Vector())
    engine_of(toy).step(feed_of(), 2)
    assert (-toy.vector.p.item(), -toy.vector.q.item()) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_player_that_overflows_is_skipped_and_counted_while_the_other_learns(
    bad: float, clip: float | None, fused: bool
):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"a": toy.a() * (bad if at.index == 1 else 1)})
        yield Update("b", {"b": toy.b()})

    toy = Toy(step, clip=clip, a=Number(0), b=Number(0))
    engine = engine_of(toy, lambda params: adam(params, fused))
    after, skipped = [], []
    for _ in range(3):
        engine.step(feed_of(), 2)
        after.append(values(toy))
        skipped.append(engine.newly_skipped())
    assert [now["a.value"] for now in after] == pytest.approx([-0.01, -0.01, -0.02])  # Adam: lr a step
    assert [now["b.value"] for now in after] == pytest.approx([-0.01, -0.02, -0.03])
    assert skipped == [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 0}]


def test_updates_of_rmsprop_that_overflow_are_skipped_and_counted_and_its_moments_survive_a_save():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("pair", {"loss": (toy.pair.p * (math.nan if at.index == 1 else 3) + toy.pair.q).sum()})

    def rmsprop(params: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(params, lr=0.01)

    first, second = (engine_of(Toy(step, pair=Pair()), rmsprop) for _ in range(2))
    skipped = []
    for _ in range(3):
        first.step(feed_of(), 2)
        skipped.append(first.newly_skipped()["pair"])
    assert skipped == [0, 1, 0]
    tensors, state = collect_state(first, Average({}, 0, 1))
    assert {key.rpartition(".")[2] for key in tensors["optimisers"]} == {"square_avg", "step"}
    restore_state(copy.deepcopy(Checkpoint(3, tensors, state)), second, Average({}, 0, 1))
    for engine in (first, second):
        engine.step(feed_of(), 2)
        assert engine.newly_skipped() == {"pair": 0}
    assert torch.equal(first.method.pair.p, second.method.pair.p)
    mean, expected = 0.0, 0.0
    for gradient in (3, 3, 3):  # Tieleman and Hinton 2012: the skipped one leaves no trace
        mean = 0.99 * mean + 0.01 * gradient**2
        expected -= 0.01 * gradient / (math.sqrt(mean) + 1e-8)
    assert first.method.pair.p.tolist() == pytest.approx([expected] * 2, rel=1e-12)


def test_a_checkpoint_of_another_optimiser_is_refused():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("pair", {"loss": (toy.pair.p + toy.pair.q).sum()})

    def rmsprop(params: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(params)

    for before, after in ((adam, rmsprop), (rmsprop, adam)):
        first, second = engine_of(Toy(step, pair=Pair()), before), engine_of(Toy(step, pair=Pair()), after)
        first.step(feed_of(), 2)
        with pytest.raises(ModelError) as caught:
            restore_state(Checkpoint(1, *collect_state(first, Average({}, 0, 1))), second, Average({}, 0, 1))
        assert str(caught.value) == (
            "the checkpoint of step 1 is one of another optimiser. A run keeps its optimiser: "
            "leave train.optimiser as it was."
        )


def test_float16_scales_are_halved_by_an_overflow_and_taken_out_again():
    weight = 6e33  # times 65536 is more than float32 holds, times 32768 is not

    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"a": toy.a() * weight})
        yield Update("b", {"b": 3 * toy.b()})

    toy = Toy(step, a=Number(0), b=Number(0)).float()
    engine = engine_of(toy, precision="fp16")
    engine.step(feed_of(), 2)
    assert values(toy) == {"a.value": 0, "b.value": -3}
    assert [learner.scaler.get_scale() for learner in engine.learners.values()] == [2**15, 2**16]
    engine.step(feed_of(), 2)
    assert values(toy) == {"a.value": pytest.approx(-weight), "b.value": -6}


@pytest.mark.parametrize("joint_first", [False, True])
def test_float16_scales_do_not_mix_where_a_player_learns_alone_and_jointly(joint_first: bool):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Any]:
        if at.index == 0:
            yield Update("a", {"too much": toy.a() * 6e33})  # the scale of a is halved, that of b is not
        else:
            updates = Update("b", {"alone": 3 * toy.b()}), Update(("a", "b"), {"joint": toy.a() + 4 * toy.b()})
            yield updates[::-1] if joint_first else updates

    toy = Toy(step, a=Number(0), b=Number(0)).float()
    engine = engine_of(toy, precision="fp16")
    for _ in range(2):
        engine.step(feed_of(), 2)
    assert values(toy) == {"a.value": -1, "b.value": -7}


# Stages


def test_another_stage_begins_with_fresh_optimisers():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        stages.append((at.stage, at.since))
        yield Update("a", {"loss": toy.a() * (1 + 9 * at.index)})

    stages, entered = [], []
    toy = Toy(step, a=Number(0))
    plan = (Stage("coarse"), Stage("fine", begin=2))
    engine = Engine(toy, adam, Precision(CPU, "fp32"), seed=4, stages=plan)
    for _ in range(4):
        entered.append(engine.enter_stage())
        engine.step(feed_of(), 2)
    assert (stages, entered) == (
        [("coarse", 0), ("coarse", 1), ("fine", 0), ("fine", 1)],
        [False, False, True, False],
    )

    plain, optimiser = Number(0), None
    for index in range(4):
        if index in (0, 2):
            optimiser = adam([plain.value], fused=False)
        plain.value.grad = torch.tensor(1.0 + 9 * index, dtype=torch.float64)
        optimiser.step()
    assert values(toy)["a.value"] == pytest.approx(plain.value.item(), rel=1e-12)
    assert engine.newly_skipped() == {"a": 0}  # the counts began anew with the optimisers


# Number formats, randomness


def test_autocast_is_entered_anew_for_each_resumption_and_left_at_each_yield():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        x = feed().x.float()
        for name in ("first", "second"):
            inside.append(torch.is_autocast_enabled("cpu"))
            y = toy.a(x)
            results.append((y.detach(), F.linear(x.bfloat16(), toy.a.weight.detach().bfloat16())))
            yield Update("a", {name: y.float().mean()})

    inside, results = [], []
    toy = Toy(step, a=nn.Linear(1, 1, bias=False))
    toy.updated = lambda *rest: inside.append(torch.is_autocast_enabled("cpu"))
    engine_of(toy, precision="bf16").step(feed_of(), 2)
    assert inside == [True, False, True, False]
    (first, _), (second, of_new_weights) = results
    assert first.dtype == torch.bfloat16
    assert torch.equal(second, of_new_weights)  # a kept autocast would hold the old weights
    assert not torch.equal(second, first)


def dropped(before: Callable[[], object], micro: int = 1) -> list[list[float]]:
    """What dropout left in two resumptions of each part, in the steps 0 and 1."""

    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        for name in ("first", "second"):
            before()
            left = F.dropout(torch.ones(20, dtype=torch.float64), 0.5)
            seen.append(left.tolist())
            yield Update("a", {name: toy.a() * left.mean()})
            before()

    seen: list[list[float]] = []
    engine = engine_of(Toy(step, a=Number(1)), micro=micro)
    for _ in range(2):
        torch.manual_seed(len(seen))
        engine.step(feed_of(parts=micro), 2)
    return seen


def test_dropout_is_the_same_whatever_ran_before_and_new_for_each_step_part_and_resumption():
    calm = dropped(lambda: None, micro=2)
    assert len({tuple(left) for left in calm}) == len(calm) == 2 * 2 * 2
    torch.manual_seed(77)
    torch.rand(5)
    assert dropped(lambda: None, micro=2) == calm
    assert dropped(lambda: None) == [calm[0], calm[2], calm[4], calm[6]]  # part 0 does not depend on part 1


# Feeds


def test_each_call_of_feed_is_the_part_of_a_fresh_batch():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        for critic_round in range(2 + at.index):
            seen[at.part].append(feed().x.flatten().tolist())
            yield Update("a", {f"round {critic_round}": toy.a()})

    seen: dict[int, list[list[float]]] = {0: [], 1: []}
    numbered = (points(10 * number, 10 * number + 1, 10 * number + 2, 10 * number + 3) for number in count())
    feed = Feed(numbered, lambda batch: batch, 2)
    engine = engine_of(Toy(step, a=Number(0)), micro=2)
    taken = []
    for _ in range(2):
        engine.step(feed, 4)
        taken.append(feed.taken)
    assert seen == {
        0: [[0, 1], [10, 11], [20, 21], [30, 31], [40, 41]],
        1: [[2, 3], [12, 13], [22, 23], [32, 33], [42, 43]],
    }
    assert taken == [2, 5]


def test_a_feed_that_ends_is_an_error():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        yield Update("a", {"loss": toy.a() * feed().x.mean()})

    engine = engine_of(Toy(step, a=Number(0)))
    feed = Feed(iter([points(1, 2)]), lambda batch: batch, 1)
    engine.step(feed, 2)
    with pytest.raises(RuntimeError, match="the feed ended: batches must be endless"):
        engine.step(feed, 2)


# What is refused


@pytest.mark.parametrize("closed", [torch.no_grad, torch.inference_mode])
def test_a_no_grad_that_is_open_across_a_yield_is_refused_and_closed(closed: Callable[[], Any]):
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        loss = toy.a() * 2
        with closed():
            yield Update("a", {"loss": loss})

    engine = engine_of(Toy(step, a=Number(1)))
    with pytest.raises(RuntimeError, match=r"yields inside `with torch\.no_grad\(\)`"):
        engine.step(feed_of(), 2)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert engine.index == 0


DISAGREEING = {
    "in names": lambda first: ["gan" if first else "cycle"],
    "in number, the first ends": lambda first: ["gan"] if first else ["gan", "cycle"],
    "in number, the second ends": lambda first: ["gan", "cycle"] if first else ["gan"],
    "in what is logged": lambda first: ["gan", "logged"] if first else ["gan", "loss"],
}


def disagreeing(yields: Callable[[bool], list[str]], is_first: Callable[[StepInfo], bool]) -> Toy:
    """A method whose parts do not yield the same."""

    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        for name in yields(is_first(at)):
            one = {"one": toy.a()}
            yield Update("a", {"zero": toy.a()}, log=one) if name == "logged" else Update("a", {name: toy.a(), **one})

    return Toy(step, a=Number(0))


@pytest.mark.parametrize("kind", DISAGREEING)
def test_micro_batches_that_yield_differently_are_refused(kind: str):
    toy = disagreeing(DISAGREEING[kind], lambda at: at.part == 0)
    with pytest.raises(RuntimeError, match="micro-batches yield different updates"):
        engine_of(toy, micro=2).step(feed_of(parts=2), 2)


# Memory


def test_saved_activations_do_not_outlive_the_update_that_needed_them():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Any]:
        for tupled in (False, True):
            hidden = toy.a() * feed().x
            reference = weakref.ref(hidden)
            kept.append(reference)
            loss = hidden.square().mean()
            del hidden
            assert reference() is not None  # the graph has it
            yield (
                (Update("a", {"one": loss}), Update("b", {"two": loss * toy.b()}))
                if tupled
                else Update("a", {"": loss})
            )
            if tupled:  # the gradient of b alone does not free the rest of the graph
                del loss
            gone.append(reference() is None)

    kept: list[weakref.ref[Tensor]] = []
    gone: list[bool] = []
    engine = engine_of(Toy(step, a=Number(1), b=Number(1)), micro=2)
    losses = engine.step(feed_of(parts=2), 2)
    assert set(losses) == {"", "one", "two"}
    assert gone == [True] * 4
    assert [reference() for reference in kept] == [None] * 4


def test_an_exception_in_a_step_closes_all_parts_and_frees_their_graphs():
    def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
        try:
            hidden = toy.a() * feed().x
            kept.append(weakref.ref(hidden))
            if at.index == 0 and at.part == 1:
                raise ValueError("the second part is broken")
            yield Update("a", {"loss": hidden.sum()})
        finally:
            closed.append(at.part)

    kept: list[weakref.ref[Tensor]] = []
    closed: list[int] = []
    toy = Toy(step, a=Number(1))
    engine, feed = engine_of(toy, micro=2), feed_of(points(1, 2), parts=2)
    with pytest.raises(ValueError, match="the second part is broken") as caught:
        engine.step(feed, 2)
    assert sorted(closed) == [0, 1]  # although the traceback still holds the first part
    del caught
    gc.collect()  # the traceback's frames
    assert [reference() for reference in kept] == [None, None]
    assert (engine.index, values(toy)) == (0, {"a.value": 1})
    engine.index = 1
    engine.step(feed, 2)  # and nothing of the broken step is left in the gradients
    assert values(toy) == {"a.value": 1 - (1 + 2) / 2}


# Two processes: two threads stand in for them, all_reduce adds what both bring


class Meeting:
    """all_reduce of two threads. A thread whose partner does not come within a second finds the barrier broken."""

    def __init__(self) -> None:
        self.barrier, self.brought = threading.Barrier(2, timeout=1), {}

    def all_reduce(self, tensor: Tensor) -> None:
        self.brought[threading.get_ident()] = tensor.clone()
        self.barrier.wait()
        total = sum(self.brought.values())
        self.barrier.wait()
        tensor.copy_(total)


def process(rank: int) -> Processes:
    processes = Processes()
    processes.rank, processes.world = rank, 2
    return processes


def in_two_processes(monkeypatch: pytest.MonkeyPatch, run: Callable[[Processes], Any]) -> list[Any]:
    """The results, or the errors, of both."""
    monkeypatch.setattr(dist, "all_reduce", Meeting().all_reduce)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: None)  # threads share the generator; nobody draws here
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, process(rank)) for rank in (0, 1)]
    return [future.exception() or future.result() for future in futures]


@pytest.mark.parametrize("kind", DISAGREEING)
def test_processes_that_yield_differently_are_refused_on_both(monkeypatch: pytest.MonkeyPatch, kind: str):
    def run(processes: Processes) -> None:
        toy = disagreeing(DISAGREEING[kind], lambda at: at.part == 0)
        engine = Engine(toy, descent, Precision(CPU, "fp32"), processes=processes)
        engine.step(feed_of(), 2)

    for rank, error in enumerate(in_two_processes(monkeypatch, run)):
        assert isinstance(error, RuntimeError)
        assert str(error).startswith(f"process {rank} yields ")


def test_processes_average_their_gradients_and_means(monkeypatch: pytest.MonkeyPatch):
    def run(processes: Processes) -> tuple[list[float], dict[str, float]]:
        def step(toy: Toy, feed: Any, at: StepInfo) -> Iterator[Update]:
            yield Update("pair", {"loss": (toy.pair.p * feed().x).mean()}, partial=True)
            yield Update("pair", {"rest": toy.pair.q.sum()}, partial=True)

        toy = Toy(step, pair=Pair())
        engine = Engine(toy, descent, Precision(CPU, "fp32"), processes=processes)
        losses = engine.step(feed_of(points(1, 3) if processes.rank == 0 else points(5, 7)), 2)
        return [*toy.pair.p.tolist(), *toy.pair.q.tolist()], {name: v.item() for name, v in losses.items()}

    expected = [-2.0, -2.0, -1.0, -1.0], {"loss": 0.0, "rest": 0.0}  # 4 is the mean of all, over two numbers
    assert in_two_processes(monkeypatch, run) == [expected, expected]


@pytest.mark.parametrize("world", [2, 3, 48])
def test_any_number_of_processes_with_the_same_updates_agree(monkeypatch: pytest.MonkeyPatch, world: int):
    def all_reduce(tensor: Tensor) -> None:
        for value in [tensor.clone() for _ in range(world - 1)]:  # one after the other, each sum rounded
            tensor += value

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    processes = Processes()
    processes.world = world
    for number in range(50):
        means = processes.average([], torch.tensor([3.0], dtype=torch.float64), f"plan {number}")
        assert means.item() == 3
