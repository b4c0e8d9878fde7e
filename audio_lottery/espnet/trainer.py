"""A mixin that makes any espnet2 trainer ticket-aware, by subclassing alone.

Before the first step it sets the round's start (theta0 or thetak, times the mask) and writes it down;
during training it keeps pruned weights, their gradients and their optimiser moments at exactly zero;
it makes ESPnet's checkpoints safe against a kill. The model's state dict is never changed.
"""

import argparse
import contextlib
import dataclasses
import logging
import math
from pathlib import Path

import torch

from audio_lottery import hooks, ranks
from audio_lottery.errors import LotteryError
from audio_lottery.espnet import checkpoints, start
from audio_lottery.espnet.progress import Progress, mean, write_densities
from audio_lottery.espnet.start import TicketOptions
from audio_lottery.fileio import read_json, write_json
from audio_lottery.lock import locked
from audio_lottery.mask import Mask
from audio_lottery.search.session import Session, begin
from audio_lottery.zeros import count

# Added to the names of ESPnet's criteria where not every epoch's model may be chosen.
SELECTION = "_final"


@dataclasses.dataclass
class _Run:
    """What one training run keeps at hand for the hooks below."""

    fixed: Mask | None
    progress: Progress
    session: Session | None
    criteria: tuple[tuple[str, str, str], ...]
    steps: int = 0
    invalid: bool = False
    begun: bool = False

    @property
    def mask(self) -> Mask | None:
        """The mask of the present step."""
        return self.session.mask if self.session and self.session.mask else self.fixed


class _Over(Exception):
    """The search within the run has all that it needs: raised between two epochs."""


class TicketTrainerMixin:
    """Put before an espnet2 ``Trainer`` class: ``class TicketTrainer(TicketTrainerMixin, Trainer)``."""

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        group = parser.add_argument_group("Winning tickets")
        group.add_argument("--ticket_mask", default=None, help="mask file: its pruned weights stay zero")
        group.add_argument("--ticket_init", default=None,
                           help="safetensors file with all weights to start from (theta0 or thetak)")
        group.add_argument("--ticket_theta0", default=None, help="keep the initial weights in this file")
        group.add_argument("--ticket_thetak", default=None, help="keep the weights of --ticket_rewind in this file")
        group.add_argument("--ticket_learning_rate", type=float, default=None,
                           help="train at this learning rate throughout, without a scheduler")
        group.add_argument("--ticket_search", default=None, help="file that tells a search within the run what to do")
        group.add_argument("--ticket_rewind", default="0", help="the point of --ticket_thetak: 500it or 2ep")

    @classmethod
    def build_options(cls, args: argparse.Namespace):
        options = super().build_options(args)
        names = [field.name for field in dataclasses.fields(TicketOptions)]
        options.ticket = TicketOptions(**{name: getattr(args, f"ticket_{name}", None) for name in names})
        return options

    @classmethod
    def run(cls, model, optimizers, trainer_options, distributed_option, schedulers, **kwargs) -> None:
        main = not distributed_option.distributed or distributed_option.dist_rank == 0
        # A training on another machine may outlive the search that started it: it is not to meet the next one.
        with locked(Path(trainer_options.output_dir), "training") if main else contextlib.nullcontext():
            cls._run_round(main, model, optimizers, trainer_options, distributed_option, schedulers, **kwargs)
        if distributed_option.distributed:
            ranks.leave()  # ESPnet's training command has nothing to do after this

    @classmethod
    def _run_round(cls, main, model, optimizers, trainer_options, distributed_option, schedulers, **kwargs) -> None:
        ticket, folder = trainer_options.ticket, Path(trainer_options.output_dir)
        if ticket.mask or ticket.search:
            refuse_unsupported(trainer_options)
        session = begin(ticket.search, folder, model, optimizers, main) if ticket.search else None
        criteria = tuple(trainer_options.best_model_criterion) if session and session.mask else ()
        if criteria:
            trainer_options.best_model_criterion = [(phase, key + SELECTION, mode) for phase, key, mode in criteria]
        mask = None
        if ticket.mask:
            mask = ranks.shared_mask(Mask.load(ticket.mask) if main else None)
            mask.validate(model)
        if main and trainer_options.resume:
            checkpoints.recover(folder, trainer_options.best_model_criterion, kept_models(trainer_options))
        _barrier(distributed_option)
        if not (trainer_options.resume and (folder / checkpoints.CURRENT).exists()):
            start.set_weights(model, mask, ticket, main)
        if ticket.learning_rate is not None:
            schedulers = start.constant_rate(optimizers, ticket.learning_rate)
        run = _Run(mask, Progress(folder, trainer_options.max_epoch, enabled=main), session, criteria)
        trainer_options.run = run
        handles = [hooks.attach(model, mask)] if mask is not None else []
        if main and ticket.thetak:
            handles.append(start.keep_thetak_by_step(model, optimizers[0], trainer_options))
        handles.append(optimizers[0].register_step_post_hook(lambda *_: _count(run)))
        try:
            super().run(model=model, optimizers=optimizers, schedulers=schedulers,
                        trainer_options=trainer_options, distributed_option=distributed_option, **kwargs)
        except _Over:
            if main:
                checkpoints.average(folder, trainer_options.best_model_criterion, kept_models(trainer_options))
        finally:
            for handle in handles:
                handle.remove()
            if session:
                session.close()
        if main:
            checkpoints.rename(folder, SELECTION)
        if run.invalid:
            raise LotteryError(f"{folder}: no step of the last epoch had a finite gradient: lower the learning rate")
        if main:
            (folder / checkpoints.PREVIOUS).unlink(missing_ok=True)

    @classmethod
    def train_one_epoch(cls, model, optimizers, schedulers, scaler, reporter, options, distributed_option,
                        **kwargs) -> bool:
        run, folder, epoch = options.run, Path(options.output_dir), reporter.get_epoch()
        main = not distributed_option.distributed or distributed_option.dist_rank == 0
        steps = read_json(folder / "steps.json") if (folder / "steps.json").exists() else {}
        if not run.begun:
            run.steps = steps.get(str(epoch - 1), 0)
        if run.session:
            if not run.begun:
                run.session.resume(epoch - 1, run.steps)
            if run.session.over(epoch - 1):
                raise _Over
        if not run.begun:
            _prove_same(run, model, f"{folder}: before epoch {epoch}")
            run.begun = True
        if main and epoch == 1:
            write_json(folder / "start.json", start.record(model, optimizers, schedulers, scaler, options.seed))
        if main:
            checkpoints.protect(folder)
            run.progress.begin(epoch, run.steps, run.mask)
        run.invalid = super().train_one_epoch(
            model=model, optimizers=optimizers, schedulers=schedulers, scaler=scaler, reporter=reporter,
            options=options, distributed_option=distributed_option, **kwargs)
        if run.session:
            run.session.trained(epoch, run.steps)
        _select(run, reporter, "train")
        model = getattr(model, "module", model)
        if run.mask is not None and (broken := run.mask.violations(model)):
            name, count = next(iter(broken.items()))
            raise LotteryError(f"{folder}: {count} pruned weights of {name} are not zero after epoch {epoch}: "
                               "something wrote them past the mask; choose another optimiser")
        _prove_same(run, model, f"{folder}: after epoch {epoch}")
        if main:
            steps[str(epoch)] = run.steps
            write_json(folder / "steps.json", steps)
            start.keep_thetak_by_epoch(model, options, epoch)
            run.progress.trained(epoch, run.steps)
            if run.mask is not None and (writer := kwargs.get("summary_writer")) is not None:
                write_densities(writer, run.mask, run.steps)
        return run.invalid

    @classmethod
    def validate_one_epoch(cls, model, reporter, options, **kwargs) -> None:
        super().validate_one_epoch(model=model, reporter=reporter, options=options, **kwargs)
        if options.run.mask is not None:
            counts = count(dict(getattr(model, "module", model).named_parameters()), options.run.mask)
            reporter.register({"density_scope": counts.density_scope, "density_whole": counts.density_whole})
            reporter.next()
        _select(options.run, reporter, "valid")
        options.run.progress.validated(reporter)


def _select(run: _Run, reporter, phase: str) -> None:
    """Register what models are chosen by where the mask changes: epochs before the final one come last."""
    for where, key, mode in run.criteria:
        if where == phase and key in reporter.stats:
            worst = math.inf if mode == "min" else -math.inf
            reporter.register({key + SELECTION: mean(reporter, key) if run.session.final else worst})
            reporter.next()


def kept_models(options) -> int:
    """ESPnet's keep_nbest_models, a number or several, as the largest."""
    kept = options.keep_nbest_models
    return kept if isinstance(kept, int) else max(kept, default=1)


def refuse_unsupported(options, where: str = "") -> None:
    """Raise :class:`LotteryError` for ESPnet options that a masked training cannot be run with."""
    if options.grad_noise:
        raise LotteryError(f"{where}grad_noise: true: the noise would bring pruned weights back: set it to false")
    if options.sharded_ddp:
        raise LotteryError(f"{where}sharded_ddp: true: masks need the whole tensors on each rank: set it to false")


def _barrier(distributed_option) -> None:
    if distributed_option.distributed:
        torch.distributed.barrier()


def _prove_same(run: _Run, model: torch.nn.Module, where: str) -> None:
    """That all ranks train the same ticket: the same mask, and the same weights under it."""
    if ranks.active():
        mask = {} if run.mask is None else {"mask": run.mask.digest()}
        weights = ranks.weights_digest(getattr(model, "module", model))
        ranks.prove(where, weights=weights, **mask)
        logging.info("%s: %d ranks hold the same %s", where, torch.distributed.get_world_size(),
                     ", ".join(f"{what} {digest[:16]}" for what, digest in {**mask, "weights": weights}.items()))


def _count(run: _Run) -> None:
    run.steps += 1
    run.progress.stepped(run.steps)
    if run.session:
        run.session.stepped(run.steps)
