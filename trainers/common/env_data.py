"""What data modules of environments have in common: experience for training, evaluations, and a state to go on from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader

REPLAY = "replay"
Split = Literal["val", "test"]
SEEDS: dict[str, int] = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # first seeds of the networks of a split


class EnvDataModule(lightning.LightningDataModule, ABC):
    """Experience of the trained policy in training environments, items for each evaluation, and how policies are judged.

    Experience has the attributes ``env`` and ``policy``.

    The state has the experience's, its replay memory included, so that a resumed run goes on where it was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.train_data: Any = None
        self._state: dict[str, Any] | None = None

    @abstractmethod
    def experience(self, module: Any) -> Any:
        """Experience of a module's ``model``, an iterable of its batches with ``env``, ``state_dict`` and ``load_state_dict``."""

    @abstractmethod
    def judge(self, policy: Any, split: Split, item: Any) -> dict[str, Any]:
        """Indicators of a policy in the environments of a split, the ``score`` that chooses the best weights among them."""

    def items(self, split: Split) -> Sequence[Any]:
        """What :meth:`judge` is called with, one after the other: by default once, with the seed of the split's networks."""
        return [SEEDS[split]]

    @property
    def resuming(self) -> bool:
        """Whether there is a state to go on from, which was loaded before there were training data."""
        return self._state is not None

    @property
    def device(self) -> torch.device:
        """Where networks, replay memory and agents are: the trainer's device."""
        return self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")

    @property
    def buffer(self) -> Any:
        """The replay memory; ``None`` for experience without one."""
        return getattr(self.train_data, "buffer", None)

    def setup(self, stage: str) -> None:
        """Make the experience of the trainer's module; it goes on from a state that was loaded before."""
        if stage != "fit":
            return
        assert self.trainer is not None
        module: Any = self.trainer.lightning_module
        if self.train_data is None or self.train_data.policy is not module.model:
            self.train_data = self.experience(module)
            if self._state is not None:
                self.load_state_dict(self._state)

    def train_dataloader(self) -> DataLoader[Any]:
        """The experience."""
        assert self.train_data is not None
        return DataLoader(self.train_data, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Items of the validation."""
        return self._evaluation("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Items of the test."""
        return self._evaluation("test")

    def _evaluation(self, split: Split) -> DataLoader[Any]:
        items: Any = list(self.items(split))
        return DataLoader(items, batch_size=None, collate_fn=_as_it_is)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """As it is: experience is made where the environment is."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """How far training is, the replay memory included: a checkpoint is one file, which is there as a whole or not at all."""
        if self.train_data is None:
            return {}
        state: dict[str, Any] = {"num_envs": self.train_data.env.num_envs} | self.train_data.state_dict()
        if self.buffer is not None:
            state[REPLAY] = self.buffer.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: another number of networks.
        """
        if self.train_data is None:
            self._state = state_dict or None
        elif state_dict:
            self._state = None  # a replay memory need not be kept twice
            networks, own = state_dict.get("num_envs"), self.train_data.env.num_envs
            if networks != own:
                raise ValueError(f"num_envs: got {own} with a checkpoint of {networks}, expected {networks}")
            self.train_data.load_state_dict({key: value for key, value in state_dict.items() if key != REPLAY})
            if self.buffer is not None:
                self.buffer.load_state_dict(state_dict[REPLAY])


def model_as(module: Any, kind: type[nn.Module]) -> Any:
    """The model of a module.

    Raises:
        ValueError: a model of another kind.
    """
    if not isinstance(module.model, kind):
        raise ValueError(
            f"data: got networks for {kind.__name__} with {type(module.model).__name__}, expected the same"
        )
    return module.model


def _as_it_is(item: Any) -> Any:
    return item
