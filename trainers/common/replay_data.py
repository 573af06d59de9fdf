"""What data modules have in common whose training data are draws from a replay memory."""

from typing import Any, ClassVar

import lightning
import torch
from torch.utils.data import DataLoader

from hetgraph.trainers.common.replay import ReplayBuffer


class ReplayDataModule(lightning.LightningDataModule):
    """Draws for training, one item for each evaluation, and a state that goes on where it was.

    A subclass makes ``train_data`` in ``setup`` and ends that with :meth:`resume`.

    Args:
        buffer: replay memory; ``None`` until ``setup`` has made it, or for a module that learns on the policy.
        replay_file: keep it in this file, beside the checkpoints, and go on from it.
    """

    evaluations: ClassVar[dict[str, int]] = {"val": 0, "test": 0}

    def __init__(self, buffer: ReplayBuffer | None, replay_file: str | None) -> None:
        super().__init__()
        self.buffer: Any = buffer
        self.replay_file = replay_file
        self.train_data: Any = None
        self._state: dict[str, Any] | None = None

    def resume(self) -> None:
        """Go on from a checkpoint that was loaded before there were training data."""
        if self._state is not None:
            self.load_state_dict(self._state)

    def train_dataloader(self) -> DataLoader[Any]:
        """Draws from the replay memory."""
        assert self.train_data is not None
        return DataLoader(self.train_data, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation's one item."""
        return self._evaluation("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """The test's one item."""
        return self._evaluation("test")

    def _evaluation(self, split: str) -> DataLoader[Any]:
        return DataLoader([self.evaluations[split]], batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """As it is."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """How far training is; the replay memory goes to its own file."""
        if self.train_data is None:
            return {}
        if self.replay_file is not None and self.buffer is not None:
            self.buffer.save(self.replay_file)
        state: dict[str, Any] = self.train_data.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._state = state_dict or None
        if self.train_data is not None and state_dict:
            self.train_data.load_state_dict(state_dict)
            if self.replay_file is not None and self.buffer is not None:
                self.buffer.load(self.replay_file)


def _as_it_is(item: Any) -> Any:
    return item
