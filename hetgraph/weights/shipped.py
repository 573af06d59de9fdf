"""Weights that the package brings along, and where a name, a path or an address of the Hugging Face Hub leads.

Each shipped model is a file of weights, as ``best.ckpt`` is, with a card beside it: ``hetgraph/weights/NAME.safetensors`` and
``NAME.json``, see :mod:`hetgraph.weights.card`.
"""

import re
from os import PathLike, fspath
from pathlib import Path

from hetgraph.extras import require

FOLDER = Path(__file__).parent
MOST_BYTES = 1 << 29  # of a file of weights: the largest shipped model has a thousandth of it
WEIGHTS, CARD = ".safetensors", ".json"
HUB = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?/(?P<file>[^@]+)")


def shipped_names() -> list[str]:
    """Names of all shipped models."""
    return sorted(path.stem for path in FOLDER.glob(f"*{WEIGHTS}"))


def is_weights(text: str) -> bool:
    """Whether a text names weights: a shipped model, an address of the Hub, or a path by its suffix or its slash."""
    return text in shipped_names() or text.endswith((".ckpt", WEIGHTS)) or "/" in text


def weights_path(where: str | PathLike[str]) -> Path:
    """File of weights that a path, the name of a shipped model or ``hf://owner/repo/file`` stands for; a file comes first.

    What is downloaded is looked at as any other file is before anything is made of it.

    Args:
        where: of them; ``hf://owner/repo@revision/file`` for another revision than the newest.

    Raises:
        FileNotFoundError: neither a file nor a shipped name.
        ValueError: an address of another form, without the extra ``hub``, or of what the Hub does not have.
    """
    text = fspath(where)
    if text.startswith(HUB):
        return _downloaded(text)
    path = Path(text)
    if path.is_file():
        return path
    if text in shipped_names():
        return FOLDER / f"{text}{WEIGHTS}"
    raise FileNotFoundError(
        f"{text}: got no such file, expected weights of `hetgraph fit` or `hetgraph finetune`, such as best.ckpt, or one of the "
        f"shipped models {', '.join(shipped_names())}"
    )


def _downloaded(address: str) -> Path:
    """File of the Hugging Face Hub in the cache of its client; its size is bounded before it is fetched."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None or ".." in parts["file"].split("/"):
        raise ValueError(f"{address}: got another form, expected hf://owner/repo/file")
    hub = require("huggingface_hub", address)
    repo, revision, file = parts["repo"], parts["revision"], parts["file"]
    try:
        size = hub.get_hf_file_metadata(hub.hf_hub_url(repo, file, revision=revision)).size
    except Exception:  # without a connection the client still has what it fetched before, or says what is wrong
        size = None
    if size is not None and size > MOST_BYTES:
        raise ValueError(f"{address}: got {size} bytes, expected at most {MOST_BYTES}")
    try:
        return Path(hub.hf_hub_download(repo, file, revision=revision))
    except Exception as error:  # of the client, of the connection, of the Hub
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{address}: got no file ({reason}), expected weights on the Hugging Face Hub") from None
