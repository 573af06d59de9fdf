"""Progress of work that takes long."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress

SHOWN_AFTER_S = 2.0


@contextmanager
def late_progress_bar(title: str, total: int) -> Iterator[Callable[[Iterator[Any]], Iterator[Any]]]:
    """A bar on standard error that is shown when the work has taken two seconds.

    Args:
        title: what is done.
        total: number of items.

    Yields:
        a function that counts the items of an iterator in the bar.
    """
    progress = Progress(console=Console(stderr=True))
    bar = progress.add_task(title, total=total)

    def counted(items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            progress.advance(bar)
            yield item

    timer = threading.Timer(SHOWN_AFTER_S, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield counted
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()
