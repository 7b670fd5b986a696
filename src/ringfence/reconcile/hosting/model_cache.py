"""What one multi-model container has: which models are on its instance's disk and in its memory, and which go first.

Bookkeeping only: whoever changes the disk or the container (`instance_models`) says so here.
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-caching.html
"""

import asyncio
import hashlib
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class CachedModel:
    """`name`: what the container knows it by. `size`: bytes on disk, 0 if it is not there.

    `users`: requests that use it or wait for it, and its loading. `lock`: one loads, unloads or deletes it at a time.
    """

    name: str
    target: str
    size: int = 0
    loaded: bool = False
    users: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def name_of(target: str) -> str:
    """An opaque identifier, fit for a path: the same for the same TargetModel, also after a restart."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]


class ModelCache:
    """`capacity`: bytes of disk. The models are in the order of their last use."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._models: dict[str, CachedModel] = {}

    def use(self, target: str) -> CachedModel:
        """The model, new if it is not here, and kept here until `leave`."""
        name = name_of(target)
        model = self._models.pop(name, None) or CachedModel(name, target)
        self._models[name] = model
        model.users += 1
        return model

    def leave(self, model: CachedModel) -> None:
        model.users -= 1
        self.tidy(model)

    def tidy(self, model: CachedModel) -> None:
        """Forget a model that is nowhere and that nobody wants."""
        if not model.users and not model.loaded and not model.size and self._models.get(model.name) is model:
            del self._models[model.name]

    def adopt(self, model: CachedModel) -> None:
        """One that was there before this cache."""
        self._models[model.name] = model

    def is_loaded(self, target: str) -> bool:
        model = self._models.get(name_of(target))
        return model is not None and model.loaded

    def loaded(self) -> int:
        return sum(model.loaded for model in self._models.values())

    def oldest_loaded(self) -> CachedModel | None:
        """The one to unload if memory is short: not used now, and least recently."""
        return next((model for model in self._models.values() if model.loaded and not model.users), None)

    def in_the_way(self) -> CachedModel | None:
        """The one to delete, if the disk holds more than it may."""
        if sum(model.size for model in self._models.values()) <= self._capacity:
            return None
        return next((model for model in self._models.values() if model.size and not model.users), None)

    def room(self) -> int:
        """Bytes that a new model may have, if whatever is not used now is deleted for it."""
        return self._capacity - sum(model.size for model in self._models.values() if model.users)
