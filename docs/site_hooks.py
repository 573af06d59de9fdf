"""The site also has RESULTS.md and results/, which lie beside docs/ in the repository, and the graph's contract, which is code."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from hetgraph.graph import schema_markdown

ROOT = Path(__file__).parents[1]
SHOWN = (".md", ".png", ".json")
SCHEMA = """# The graph

Attributes of stations, users, antennas and edges, as `hetgraph.graph.check` enforces them. N stations, U users, A antennas, E edges,
R resource blocks, B networks; `level` is the least level that knows an attribute, `dynamic` ones change from slot to slot.

"""


def on_files(files: Any, config: Any) -> Any:
    """Take the pages of results, with their figures and files, at the places that their own links name."""
    for path in sorted([ROOT / "RESULTS.md", *(ROOT / "results").rglob("*")]):
        if path.is_file() and path.suffix in SHOWN:
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "api/schema.md", content=SCHEMA + schema_markdown()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links between docs/ and what lies beside it, which work on the repository's pages, as they are on the site."""
    if page.file.src_uri.startswith(("results/", "RESULTS")):
        return markdown.replace("](../docs/", "](../").replace("](docs/", "](")
    depth = page.file.src_uri.count("/")
    up = "../" * depth
    for name in ("results/", "RESULTS.md"):
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{name}")
    return markdown
