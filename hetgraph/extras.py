"""Optional packages: imported when something asks for them, or refused in one sentence that names the extra."""

import importlib
import importlib.util
from typing import Any

EXTRAS = {  # package -> extra of hetgraph that installs it
    "gymnasium": "env",
    "pettingzoo": "env",
    "matplotlib": "report",
    "tensorboard": "tensorboard",
    "huggingface_hub": "hub",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "fastapi": "serve",
    "uvicorn": "serve",
}


def present(package: str) -> bool:
    """Whether an optional package is installed; it is not imported."""
    return importlib.util.find_spec(package) is not None


def advice(package: str) -> str:
    """What installs an optional package."""
    return f"pip install 'hetgraph[{EXTRAS[package]}]'"


def require(package: str, purpose: str) -> Any:
    """Import an optional package; a command calls this before it computes anything.

    Args:
        package: one of :data:`EXTRAS`.
        purpose: what asks for it, for the error.

    Raises:
        ValueError: a package that is not installed, or that cannot be imported.
    """
    if not present(package):
        raise ValueError(f"{purpose}: got no {package}, expected it; {advice(package)}")
    try:
        return importlib.import_module(package)
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{purpose}: got a {package} that cannot be imported ({reason}), expected a whole one; {advice(package)}"
        ) from None
