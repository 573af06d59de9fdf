"""Docstrings of the library as the site shows them: roles of reStructuredText become Markdown."""

import re
from typing import Any

import griffe

MATH_BLOCK = re.compile(r"^\.\. math::\n+((?:(?:[ \t]+\S.*)?\n?)+)", re.MULTILINE)


def to_markdown(text: str) -> str:
    """Names in code style, by their last part where a tilde says so, formulas for MathJax, and examples as code."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)  # a section that is shown as code
    text = re.sub(r":math:`([^`]+)`", r"\\(\1\\)", text)
    text = re.sub(r":\w+:`~(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    text = re.sub(r":\w+:`([\w.]+)`", r"`\1`", text)
    return MATH_BLOCK.sub(lambda found: f"\\[\n{found[1].strip()}\n\\]\n\n", text)


class Roles(griffe.Extension):
    """Converts each docstring once."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
