"""Do one step of one run: forward, backward, clip, update, without waiting for the device.

What a step found (loss, norm of the gradient, whether it was skipped) stays on the device in ``Outcome`` and is
read when asked for; a GPU is asked one step later, so that it always has work. A step whose gradient is not
finite changes no weight. With fp16 that is expected now and then, and halves the loss scale; otherwise it
ends the run.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from pile_curate.errors import TrainingError
from pile_curate.hashing import order_key
from trainer import checkpoint
from trainer.config import Settings
from trainer.data import open_plan
from trainer.model import GPT
from trainer.objective import Inputs, Learner, Preparer, arguments, masked_count
from trainer.optim import Optimizer, learning_rate, local
from trainer.parallel import World, Wrapped, attention_kernels, gradient_norm
from trainer.tokens import load_mixture

MICRO_TOKENS = 65_536
"""Tokens of one forward pass where settings do not say: what fills a GPU."""

GROWTH_STEPS = 1000
SMALLEST_SCALE = 2.0**-14


class LossScale:
    """Multiply fp16 losses so that small gradients do not vanish (Micikevicius et al., 2018, section 3.2).

    It halves when a gradient overflows and doubles after 1,000 steps without; both on the device.
    """

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), 2.0**16, device=device)
        self.good = torch.zeros((), device=device)

    def update(self, skipped: Tensor) -> None:
        """Learn whether a step was skipped (1) or taken (0)."""
        self.good.copy_((self.good + 1) * (1 - skipped))
        grow = (self.good >= GROWTH_STEPS).float()
        self.good.mul_(1 - grow)
        self.scale.mul_(torch.where(skipped > 0, 0.5, 1.0) * (1 + grow))


class Outcome:
    """What a step found: loss, norm, skipped, stop. Its copy to the host is queued behind the step's work."""

    def __init__(self, step: int, values: Tensor) -> None:
        self.step, self._values = step, values
        self._copied: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, pin_memory=True).copy_(values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()

    def read(self) -> tuple[float, float, bool, bool]:
        """Wait for (mean loss in nats a token, norm of the gradient before clipping, skipped, asked to stop)."""
        if self._copied is not None:
            self._copied.synchronize()
        loss, norm, skipped, stop = self._values.tolist()
        return loss, norm, bool(skipped), bool(stop)


class Run:
    """One training run: what is to be done, the model, and how far it is."""

    def __init__(self, data: Path, out: Path, settings: Settings, world: World) -> None:
        mixture = load_mixture(data)
        self.settings, self.world, self.out = settings, world, out
        self.device = world.device
        self.plan, filled = open_plan(data, mixture, settings)
        if self.plan.batch_windows % world.data_size:
            raise TrainingError(
                f"batch_tokens {settings.batch_tokens} is {self.plan.batch_windows} windows, which"
                f" {world.data_size} ranks cannot share evenly"
            )
        self.steps = settings.steps or filled
        cap = settings.max_epochs or float(mixture.get("max_epochs") or 4)
        self.plan.check_epochs(self.steps, cap)
        shape = settings.model(self.plan.vocab_size)
        self.learner = Learner(GPT(shape).initialise(settings.seed), settings).to(self.device)
        self.wrapped = Wrapped(self.learner, settings, world)
        self.optimizer = Optimizer(self.learner, settings)
        self.parameters = list(self.learner.parameters())
        low = self.learner.model.dtype
        self.scale = LossScale(self.device) if low == torch.float16 else None
        # The variable-length kernel takes half precision on a GPU only, and has no dropout.
        packed = self.device.type == "cuda" and low != torch.float32 and not settings.dropout
        self.prepare = Preparer(settings, self.plan.vocab_size, self.plan.eos_id, packed=packed)
        self.targets = self.plan.batch_windows * masked_count(settings)
        self.step = 0
        self.facts = {
            "plan": self.plan.hash, "settings": settings.model_dump(), "steps": self.steps,
            "recipe": mixture.get("name"), "tokenizer": mixture["tokenizer"], "model": shape.model_dump(),
        }  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """Return all that a checkpoint holds by name: weights, the optimizer's state, the loss scale."""
        held = {name: p.detach() for name, p in self.learner.named_parameters()}
        held |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.tensors().items()}
        if self.scale is not None:
            held |= {"loss_scale.scale": self.scale.scale, "loss_scale.good": self.scale.good}
        return held

    def save(self) -> Path:
        """Save a checkpoint of the present step."""
        return checkpoint.save(
            self.out, self.step, self.tensors(), self.facts, keep=self.settings.keep, world=self.world
        )

    def resume(self) -> list[str]:
        """Go on from the latest checkpoint; return which settings changed since."""
        held = checkpoint.load(self.out / checkpoint.LATEST)
        self.step = checkpoint.resume(held, self.plan.hash, self.tensors(), self.world)
        return [
            f"{name} {old} -> {getattr(self.settings, name, None)}"
            for name, old in held.facts["settings"].items()
            if getattr(self.settings, name, None) != old
        ]

    def inputs(self, step: int) -> list[Inputs]:
        """Return this rank's micro-batches of a step, on the CPU."""
        batch = self.plan.batch(
            step, self.world.data_rank, self.world.data_size, strangers=self.settings.next_sentence
        )
        rows = max(1, (self.settings.micro_tokens or MICRO_TOKENS) // self.settings.window)
        return [self.prepare(part) for part in batch.rows(rows)]

    def train_step(self, micro: list[Inputs] | None = None, *, stop: bool = False) -> Outcome:
        """Do one step; ``stop`` tells the other ranks that this one was asked to stop."""
        settings, world = self.settings, self.world
        if micro is None:
            micro = [inputs.to(self.device) for inputs in self.inputs(self.step)]
        if settings.dropout:
            purpose = f"dropout:{world.data_rank}"
            torch.manual_seed(order_key(settings.seed, self.step.to_bytes(8, "little"), purpose) >> 1)
        self.learner.train()
        scale = 1.0 if self.scale is None else self.scale.scale
        total = torch.zeros((), device=self.device)
        for number, inputs in enumerate(micro, 1):
            last = number == len(micro)
            with self.wrapped.quiet(last=last), attention_kernels(self.device):
                # Wrappers average gradients over ranks, so each rank's loss is over its share of the targets.
                loss = self.wrapped.module(*arguments(inputs)) * (world.data_size / self.targets)
                self.wrapped.backward(loss * scale, last=last)
            total += loss.detach()
        found = world.sum(torch.stack([total / world.data_size, torch.full_like(total, float(stop))]))
        norm = gradient_norm(self.parameters) / scale
        skip = (~(torch.isfinite(norm) & torch.isfinite(found[0]))).float()
        outcome = Outcome(self.step + 1, torch.stack([found[0], norm, skip, found[1].clamp(max=1.0)]))
        self._update(norm, skip, scale)
        self.step += 1
        return outcome

    def _update(self, norm: Tensor, skip: Tensor, scale: Tensor | float) -> None:
        coefficient = torch.clamp((self.settings.clip or math.inf) / (norm + 1e-6), max=1.0) / scale
        torch._foreach_mul_([local(p.grad) for p in self.parameters if p.grad is not None], coefficient)
        rate = learning_rate(self.step, self.steps, self.settings)
        if self.device.type == "cuda":
            self.optimizer.step(rate, skip)
        elif not skip:  # on a CPU there is nothing to wait for
            self.optimizer.step(rate)
        if self.scale is not None:
            self.scale.update(skip)
        self.optimizer.zero_grad()

    def check(self, outcome: Outcome) -> tuple[float, float, bool, bool]:
        """Read an outcome; raises when it means that the run has diverged."""
        loss, norm, skipped, stop = outcome.read()
        hopeless = self.scale is None or float(self.scale.scale) < SMALLEST_SCALE
        if skipped and hopeless:
            raise TrainingError(self._diverged(outcome.step - 1, loss, norm))
        return loss, norm, skipped, stop

    def _diverged(self, step: int, loss: float, norm: float) -> str:
        named = self.plan.documents(step)
        some = ", ".join(f"{source}/{doc}" for source, doc in named[:20])
        more = f" and {len(named) - 20} more" if len(named) > 20 else ""
        try:
            good = str(checkpoint.locate(self.out / checkpoint.LATEST))
        except TrainingError:
            good = "none"
        return (
            f"step {step}: loss {loss}, gradient norm {norm}: not finite. The last good checkpoint is"
            f" {good}; a smaller learning_rate or more warmup_steps may help."
            f" Documents of the step: {some}{more}"
        )
