"""Scenarios by what a command line or a configuration says of them."""

from pathlib import Path

from hetgraph.graph import Scenario, preset


def scenario_of(source: str | Scenario) -> Scenario:
    """Scenario from a preset's name (with arguments after a colon) or from a YAML file.

    Raises:
        ValueError: neither.
        FileNotFoundError: a YAML file that does not exist.
    """
    if isinstance(source, Scenario):
        return source
    if source.endswith((".yaml", ".yml")):
        if not Path(source).exists():
            raise FileNotFoundError(f"{source}: got no such file, expected a scenario's YAML")
        return Scenario.from_yaml(Path(source))
    return preset(source)
