"""Make a mask from a trained ESPnet model, by hand: score the weights, prune the lowest.

The search does this between its rounds; by itself it makes one-shot masks and masks of models that
were trained elsewhere. Train the ticket with audio-lottery train --ticket_mask --ticket_init.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """The model, how much to prune, and what is in scope."""
    parser.add_argument("folder", help="ESPnet experiment folder with config.yaml and a trained model")
    parser.add_argument("--out", required=True, help="mask file to write (safetensors)")
    parser.add_argument("--rate", type=float, default=0.2, help="fraction of the remaining weights to prune")
    parser.add_argument("--mask", default=None, help="mask whose remaining weights are pruned; default: all")
    parser.add_argument("--model_file", default=None, help="model in the folder; default: the average of the n best")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--criterion", default="magnitude", help="score of a weight")
    parser.add_argument("--granularity", default="weight", help="what goes together: weight, 8x1, 2:4, head, ...")
    parser.add_argument("--allocation", default="global", help="where the budget goes")
    parser.add_argument("--seed", type=int, default=0, help="seed of random criteria")
    parser.add_argument("--lottery_conf", default=None, help="lottery configuration (YAML), for its scope")
    cli.add_json(parser)


def run(args) -> None:
    """Write the mask and say what remains."""
    from pathlib import Path

    from audio_lottery import config_file, granularity
    from audio_lottery.allocation import allocations
    from audio_lottery.criteria import Evidence
    from audio_lottery.espnet.models import averaged_model_file, stock_model, weights_of
    from audio_lottery.espnet.versions import require
    from audio_lottery.gates import blocks_of
    from audio_lottery.mask import Mask
    from audio_lottery.pruning import prune_to
    from audio_lottery.schedule import count_to_prune
    from audio_lottery.scope import find_scope
    from audio_lottery.zeros import count

    require()
    folder = Path(args.folder)
    model = stock_model(folder, args.task)
    path = folder / args.model_file if args.model_file else averaged_model_file(folder)
    weights = weights_of(model, path)
    scope = config_file.load(args.lottery_conf).scope
    names = find_scope(model, scope)
    before = Mask.load(args.mask) if args.mask else Mask.ones(weights, names)
    before.validate(weights)
    shapes = {name: tuple(kept.shape) for name, kept in before.items()}
    blocks = blocks_of({name: tensor.kind for name, tensor in names.items()}) if scope.gates else {}
    selector = granularity.bind(granularity.parse(args.granularity), shapes, model, blocks)
    before = Mask({name: before[name] for name in selector.names})
    keep = before.kept - count_to_prune(before.kept, args.rate)
    mask = prune_to(keep, before, Evidence.of(weights, before, seed=args.seed), args.criterion,
                    allocations.make(args.allocation, {}), selector)
    mask.save(args.out, {"model": path.name, "rate": str(args.rate), "criterion": args.criterion,
                         "granularity": args.granularity})
    mask.apply_(weights)
    counts = count(weights, mask)
    if args.json:
        cli.print_json({"mask": args.out, "kept_scope": mask.kept, "numel_scope": mask.numel,
                        "density_scope": mask.density, "density_whole": counts.density_whole,
                        "digest": mask.digest()})
    else:
        print(f"{args.out}: {mask.kept} of {mask.numel} weights in scope remain ({mask.density:.2%}), "
              f"{counts.density_whole:.2%} of the whole model")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
