"""A registry: the names that a configuration file may use for one idea."""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audio_lottery.errors import LotteryError


class Registry[T]:
    """Name -> object. ``what`` is the idea's name in messages, as ``criterion``."""

    def __init__(self, what: str):
        self.what = what
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers what it decorates under ``name``."""

        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The object called ``name``; an unknown name is a LotteryError that lists the known ones."""
        if name not in self._items:
            known = ", ".join(sorted(self._items))
            raise LotteryError(f"{self.what}: unknown name {name!r}: choose one of {known}")
        return self._items[name]

    def make(self, name: str, options: Mapping[str, Any], **shared: Any) -> Any:
        """An object of the dataclass called ``name``: ``options`` are its fields, ``shared`` fields that some have.

        Raises LotteryError for an option that it doesn't have.
        """
        kind = self.get(name)
        fields = {one.name for one in dataclasses.fields(kind)}
        known = sorted(fields - set(shared))
        for key in options:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean {near[0]}?" if near else f"{name} knows {', '.join(known) or 'no options'}"
                raise LotteryError(f"{self.what}_conf: unknown key {key}: {hint}")
        return kind(**options, **{key: value for key, value in shared.items() if key in fields})

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))
