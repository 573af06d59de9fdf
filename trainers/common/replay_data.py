"""What data modules have in common whose training data are draws from a replay memory."""

from typing import Any, ClassVar

import lightning
import torch
from torch.utils.data import DataLoader

from hetgraph.trainers.common.replay import ReplayBuffer

REPLAY = "replay"


class ReplayDataModule(lightning.LightningDataModule):
    """Draws for training, one item for each evaluation, and a state that goes on where it was.

    A subclass makes ``train_data`` in ``setup`` and ends that with :meth:`resume`.

    Args:
        buffer: replay memory; ``None`` until ``setup`` has made it, or for a module that learns on the policy.
    """

    evaluations: ClassVar[dict[str, int]] = {"val": 0, "test": 0}

    def __init__(self, buffer: ReplayBuffer | None) -> None:
        super().__init__()
        self.buffer: Any = buffer
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
        self._state = state_dict or None
        if self.train_data is not None and state_dict:
            networks, own = state_dict.get("num_envs"), self.train_data.env.num_envs
            if networks != own:
                raise ValueError(f"num_envs: got {own} with a checkpoint of {networks}, expected {networks}")
            self.train_data.load_state_dict({key: value for key, value in state_dict.items() if key != REPLAY})
            if self.buffer is not None:
                self.buffer.load_state_dict(state_dict[REPLAY])


def _as_it_is(item: Any) -> Any:
    return item
