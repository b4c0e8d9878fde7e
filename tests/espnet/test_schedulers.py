"""The paper's annealing, 3e-4 divided by 1.1 after each epoch, is ESPnet's own exponentiallr."""

from pathlib import Path

import pytest
import torch
import yaml

CONF = Path(__file__).parents[2] / "conf"
PAPER = [CONF / "full" / f"train_asr_{name}.yaml" for name in ("ds2", "vgg_lstm", "transducer_lstm")]


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_learning_rates_of_the_paper(path):
    from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler, AbsEpochStepScheduler
    from espnet2.tasks.abs_task import optim_classes, scheduler_classes

    config = yaml.safe_load(path.read_text())
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = optim_classes[config["optim"]]([weight], **config["optim_conf"])
    scheduler = scheduler_classes[config["scheduler"]](optimizer, **config["scheduler_conf"])
    # how ESPnet's trainer decides when to call step()
    assert isinstance(scheduler, AbsEpochStepScheduler) and not isinstance(scheduler, AbsBatchStepScheduler)
    rates = []
    for _ in range(config["max_epoch"]):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert config["max_epoch"] == 16 and config["batch_size"] == 32
    assert rates == pytest.approx([3e-4 / 1.1**epoch for epoch in range(16)], rel=1e-9)
