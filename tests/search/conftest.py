"""A training loop in plain torch that a session goes along with, killable between any two steps."""

from pathlib import Path

import pytest
import torch
from torch import nn

from audio_lottery import fileio, hooks, snapshot
from audio_lottery.mask import Mask
from audio_lottery.search import Length
from audio_lottery.search.session import Session, begin

EPOCHS, STEPS = 6, 5


class Backend:
    """Six epochs of five steps, each of two backward passes; a checkpoint an epoch; deterministic from its seed."""

    def network(self):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3))

    def settings(self):
        return {}

    def scope(self):
        return ["0.weight", "2.weight", "4.weight"]

    def length(self):
        return Length(EPOCHS, STEPS)

    def shares(self):
        sizes = {name: dict(self.network().named_parameters())[name].numel() for name in self.scope()}
        return {name: size / sum(sizes.values()) for name, size in sizes.items()}

    def train(self, run: Path, options):
        network = self.network()
        if "init" in options:
            snapshot.load_into(network, options["init"])
        else:
            snapshot.save(options["theta0"], network.state_dict(), {})
        optimizer = torch.optim.AdamW(network.parameters(), 0.02)
        checkpoint, epoch, steps = run / "checkpoint.pth", 0, 0
        if checkpoint.exists():
            states = torch.load(checkpoint, weights_only=True)
            epoch, steps = states["epoch"], states["steps"]
            network.load_state_dict(states["model"])
            optimizer.load_state_dict(states["optimizer"])
        if "mask" in options:
            hooks.attach(network, Mask.load(options["mask"]))
        session = begin(options["search"], run, network, [optimizer]) if "search" in options else None
        if session:
            session.resume(epoch, steps)
        while epoch < EPOCHS and not (session and session.over(epoch)):
            epoch += 1
            torch.manual_seed(epoch)
            for _ in range(STEPS):
                for _ in range(2):
                    inputs = torch.randn(16, 6)
                    ((network(inputs) - inputs[:, :3].sin()) ** 2).mean().backward()
                optimizer.step()
                steps += 1
                if session:
                    session.stepped(steps)
                self.look(network, optimizer, session)
                optimizer.zero_grad()
            if session:
                session.trained(epoch, steps)
            with fileio.atomic_path(checkpoint) as temporary:
                torch.save({"model": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch,
                            "steps": steps}, temporary)
        if session:
            session.close()

    def look(self, network: nn.Module, optimizer: torch.optim.Optimizer, session: Session | None):
        """Called after each step; invariant 2 holds."""
        mask = session.mask if session else None
        for name, kept in mask.items() if mask else ():
            parameter = network.get_parameter(name)
            moments = [value for value in optimizer.state[parameter].values() if value.shape == parameter.shape]
            for value in (parameter, parameter.grad, *moments) if not session.course.due(session.step) else (
                    parameter, *moments):
                assert not value[~kept].any()

    def state(self, run, source):
        return torch.load(run / "checkpoint.pth", weights_only=True)["model"]

    def weights(self, run, source):
        return self.state(run, source)

    def facts(self, run):
        states = torch.load(run / "checkpoint.pth", weights_only=True)
        zeros = sum(int((states["model"][name] == 0).sum()) for name in self.scope())
        whole = sum(states["model"][name].numel() for name in self.scope())
        return {"epochs": states["epoch"], "steps": states["steps"], "macs_density": 1 - zeros / whole}


@pytest.fixture
def backend() -> type[Backend]:
    """The backend's class."""
    return Backend
