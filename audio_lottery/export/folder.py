"""Between ESPnet experiment folders and ticket files."""

import io
from pathlib import Path

import numpy as np
import yaml

import audio_lottery
from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file
from audio_lottery.export.arrays import to_torch
from audio_lottery.export.front_end import add_front_end
from audio_lottery.export.ticket_file import TicketFile
from audio_lottery.fileio import atomic_path, parse_yaml, read_text, sha256, write_text

# What training needed and a stranger doesn't: paths of the author's machine, and what they could start.
PRIVATE = (
    "output_dir",
    "config",
    "init_param",
    "resume",
    "dist_init_method",
    "log_level",
    "train_shape_file",
    "valid_shape_file",
    "train_data_path_and_name_and_type",
    "valid_data_path_and_name_and_type",
    "fold_length",
    "non_linguistic_symbols",
    "cleaner",
    "g2p",
    "rir_scp",
    "noise_scp",
    "ignore_init_mismatch",
)
# Of these, what ESPnet's inference command looks up and takes as unset.
UNSET = ("non_linguistic_symbols", "cleaner", "g2p")
MAX_NPZ = 64 << 20
ARCHIVED = "model.ticket"  # in a round's folder: its model, every bit, in place of its model files


def find_model(folder: Path) -> Path:
    """The averaged model of an ESPnet folder: the only ``valid.*.ave*.pth`` that is a file of its own."""
    found = sorted({path.resolve() for path in folder.glob("valid.*.ave*.pth")})
    if len(found) != 1:
        raise LotteryError(
            f"{folder}: {len(found) or 'no'} averaged models (valid.*.ave*.pth): name one with --model"
        )
    return found[0]


def load_state(path: Path) -> dict:
    """A state dict, read without executing anything from the file."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror or error}: check the path") from None
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise LotteryError(
            f"{path}: not a model of tensors only ({type(error).__name__}): give a model that ESPnet saved"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise LotteryError(f"{path}: not a state dict: give valid.*.ave*.pth, not checkpoint.pth")
    return state


def read_config(path: Path) -> dict:
    """An ESPnet config.yaml as plain data."""
    config = parse_yaml(path, read_text(path))
    if not isinstance(config, dict) or not isinstance(config.get("token_list"), list):
        raise LotteryError(
            f"{path}: no token_list in it: give the config.yaml that ESPnet wrote while training"
        )
    return config


def from_folder(folder: Path, model: Path | None = None, mask: Path | None = None) -> TicketFile:
    """The ticket of EXP/round_NN: its config, its averaged model and EXP/masks/round_NN.safetensors.

    Without a mask file (round 0) the ticket is dense: no tensor is pruned. A model trained from filterbanks
    gets the front end that computed them.
    """
    from audio_lottery.mask import Mask

    config = read_config(folder / "config.yaml")
    model = model or find_model(folder)
    if mask is None:
        default = folder.resolve().parent / "masks" / f"{folder.resolve().name}.safetensors"
        mask = default if default.exists() else None
        if mask is None and folder.resolve().name not in ("round_00", "round_0"):
            raise LotteryError(f"{default}: no mask for this round: give one with --mask")
    provenance = {
        "audio_lottery": audio_lottery.__version__,
        "espnet": str(config.get("version", "")),
        "round": folder.resolve().name,
        "model": model.name,
        "model_sha256": sha256(model),
        "mask_sha256": sha256(mask) if mask else None,
    }
    config, state, added = add_front_end(config, load_state(model))
    tokens = [str(token) for token in config["token_list"]]
    public = {key: value for key, value in config.items() if key not in PRIVATE and key != "token_list"}
    return ticket_file.make(
        state,
        dict(Mask.load(mask)) if mask else {},
        public,
        tokens,
        tokenizer=_tokenizer(config, folder),
        statistics=_statistics(config, folder),
        provenance=provenance | added,
    )


def to_folder(ticket: TicketFile, folder: Path) -> None:
    """Write config.yaml, model.pth, tokens.txt and what belongs to them: a folder that ESPnet loads.

    All names are fixed here: nothing in the ticket can choose a path.
    """
    import torch

    from audio_lottery.mask import Mask

    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in ticket.config.items() if key not in PRIVATE} | dict.fromkeys(UNSET)
    config["token_list"] = ticket.tokens
    write_text(folder / "tokens.txt", "".join(f"{token}\n" for token in ticket.tokens))
    config["bpemodel"] = None
    if ticket.tokenizer is not None:
        config["bpemodel"] = str(folder / "bpe.model")
        _write_bytes(folder / "bpe.model", ticket.tokenizer)
    if ticket.statistics is not None:
        config["normalize_conf"] = {
            **_map(config, "normalize_conf"),
            "stats_file": str(folder / "feats_stats.npz"),
        }
        with io.BytesIO() as stream:
            np.savez(stream, **ticket.statistics)
            _write_bytes(folder / "feats_stats.npz", stream.getvalue())
    write_text(folder / "config.yaml", yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    state = to_torch(ticket.tensors)
    with atomic_path(folder / "model.pth") as temporary:
        torch.save(state, temporary)
    if ticket.masks:
        Mask({name: torch.from_numpy(mask) for name, mask in ticket.masks.items()}).save(
            folder / "mask.safetensors"
        )


def _map(config: dict, key: str) -> dict:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _write_bytes(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def locate(name: str, folder: Path) -> Path:
    """A path from a config: as it stands, or seen from the recipe's folder (EXP/../..)."""
    for base in (Path(), folder.resolve().parents[1], folder.resolve().parents[2]):
        if (base / name).is_file():
            return base / name
    raise LotteryError(
        f"{folder / 'config.yaml'}: {name} is not there: start the command in the recipe's folder"
    )


def _tokenizer(config: dict, folder: Path) -> bytes | None:
    name = config.get("bpemodel")
    return locate(name, folder).read_bytes() if isinstance(name, str) else None


def _statistics(config: dict, folder: Path) -> dict[str, np.ndarray] | None:
    name = _map(config, "normalize_conf").get("stats_file")
    if config.get("normalize") != "global_mvn" or not isinstance(name, str):
        return None
    path = locate(name, folder)
    if path.stat().st_size > MAX_NPZ:
        raise LotteryError(f"{path}: too large for feature statistics: give the file ESPnet wrote")
    with np.load(path, allow_pickle=False) as data:
        return {key: data[key] for key in ("count", "sum", "sum_square")}
