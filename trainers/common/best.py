"""Keep the best weights of a run, those from before its first step among them."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """:class:`~lightning.pytorch.callbacks.ModelCheckpoint` that scores the untrained model, too.

    What is kept is then never worse than the start. The score is that of Lightning's validation before training, of which
    ``num_sanity_val_steps`` must be all batches (-1); it is otherwise forgotten.
    """

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first candidate."""
        self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
