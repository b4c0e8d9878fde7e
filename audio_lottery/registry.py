"""A registry: the names that a configuration file may use for one idea."""

from collections.abc import Callable, Iterator

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

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))
