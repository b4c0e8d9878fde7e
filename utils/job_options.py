"""Option files of clusters, as Kaldi's slurm.conf and queue.conf: what --mem 4G means in sbatch's or qsub's words.

::

    command sbatch --export=ALL          # the submitting program
    default time=24:00:00                # an option's value where none is given
    option time=* --time $0              # its words; $0 is the value
    option gpu=0                         # of a certain value
    option gpu=* --partition gpu --gres=gpu:$0
"""

import shlex
from collections.abc import Mapping
from pathlib import Path


def submission(path: Path, given: Mapping[str, str]) -> list[str]:
    """The submitting program and its arguments. Raises ValueError that names file and line, or the option."""
    command, defaults, words = [], {}, {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            parts = shlex.split(line, comments=True)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}: mend its quotes") from None
        if not parts:
            continue
        kind, *rest = parts
        name, given_value, value = rest[0].partition("=") if rest else ("", "", "")
        if kind == "command" and rest:
            command = rest
        elif kind == "default" and given_value and len(rest) == 1:
            defaults[_name(name)] = value
        elif kind == "option" and given_value:
            words[_name(name), value] = rest[1:]
        else:
            raise ValueError(f"{path}:{number}: not a line of an option file: write command PROGRAM, default "
                             "NAME=VALUE or option NAME=VALUE WORDS")
    if not command:
        raise ValueError(f"{path}: no command: write a line like 'command sbatch'")
    for name, value in {**defaults, **given}.items():
        found = words.get((name, value), words.get((name, "*")))
        if found is None:
            raise ValueError(f"--{name} {value}: {path} has no 'option {name}={value}', nor 'option {name}=*'")
        command += [word.replace("$0", value) for word in found]
    return command


def _name(name: str) -> str:
    return name.replace("-", "_")
