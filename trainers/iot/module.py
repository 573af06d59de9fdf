"""What the trainings of IoT agents share: their data, and how their agents are judged."""

from typing import Literal

import lightning

from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.trainers.iot.data import KPIS, IoTDataModule


class IoTModule(lightning.LightningModule):
    """A training of :class:`~hetgraph.models.HybridMADDPG`, whose ``model`` is judged on held-out networks."""

    model: HybridMADDPG

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Indicators on held-out networks, beside the rule's."""
        self._judge("val", batch)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """As in validation, on the test's."""
        self._judge("test", batch)

    def _judge(self, split: Literal["val", "test"], seed: int) -> None:
        found = self._data().judge(split, self.model, seed)
        for name in (*KPIS, "return"):
            self.log(f"{split}/{name}", found[name].float().mean(), batch_size=1)
        self.log(f"{split}/score", found["score"].float(), batch_size=1, prog_bar=True)

    def _data(self) -> IoTDataModule:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, IoTDataModule)
        return data
