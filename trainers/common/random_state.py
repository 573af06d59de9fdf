"""The global random state, kept with checkpoints."""

from typing import Any

import lightning
import torch


class RandomState(lightning.Callback):
    """Keep the global random state with the checkpoint, so that a resumed run ends bit-equal."""

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Store the states of torch's generators, of the processor and of the device."""
        checkpoint["random_state"] = torch.get_rng_state()
        device = trainer.strategy.root_device  # the module itself is not there yet when a checkpoint is loaded
        if device.type == "cuda":
            checkpoint["device_random_state"] = torch.cuda.get_rng_state(device)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Put it back."""
        if "random_state" in checkpoint:
            torch.set_rng_state(checkpoint["random_state"])
        device = trainer.strategy.root_device
        if "device_random_state" in checkpoint and device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint["device_random_state"].cpu(), device)
