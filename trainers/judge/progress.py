"""Progress of work that takes long."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress

SHOWN_AFTER_S = 2.0


@contextmanager
def late_counter(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that is shown when the work has taken two seconds.

    Args:
        title: what is done.
        total: number of items.

    Yields:
        a function that is told how many more items are done.
    """
    progress = Progress(console=Console(stderr=True))
    bar = progress.add_task(title, total=total)
    timer = threading.Timer(SHOWN_AFTER_S, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda count: progress.advance(bar, count)
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()


@contextmanager
def late_progress_bar(title: str, total: int) -> Iterator[Callable[[Iterator[Any]], Iterator[Any]]]:
    """The bar of :func:`late_counter`; yields a function that counts the items of an iterator in it."""
    with late_counter(title, total) as advance:

        def counted(items: Iterator[Any]) -> Iterator[Any]:
            for item in items:
                advance(1)
                yield item

        yield counted
