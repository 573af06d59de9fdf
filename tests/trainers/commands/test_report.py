"""`hetgraph report`: curves of any run, intervals with estimates, provenance, and no links followed."""

import base64
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from hetgraph.trainers.commands.report import _read, write_report
from hetgraph.trainers.judge.curves import _title, rule_levels, training_curves

CSV = "policy,sum_rate_bps,sum_rate_bps_low,sum_rate_bps_high,seeds\nwmmse,3.0e6,2.5e6,3.5e6,1\n<b>,1.0,1.0,1.0,1\n"


def test_tables_have_intervals_units_and_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(CSV)
    about = {
        "reference": "pf",
        "seed": 7,
        "command": "hetgraph compare <x>",
        "commit": "abc",
        "versions": {"torch": "2"},
    }
    (tmp_path / "results.json").write_text(json.dumps(about))
    page = write_report(tmp_path).read_text()
    assert ">sum rate, Mbit/s</button></th>" in page
    assert "<td data-value='3.0e6'>3<br><small>2.5 to 3.5</small></td>" in page
    assert "<dt>sum rate, Mbit/s</dt><dd>sum of the users&#x27; rates; higher is better</dd>" in page
    assert "sum_rate_bps_low" not in page and "&lt;b&gt;" in page and "<b>" not in page
    assert "reference pf; seed 7; command hetgraph compare &lt;x&gt;; commit abc; torch 2" in page


def test_curves_of_any_run(tmp_path: Path) -> None:
    rows = [
        "epoch,step,train/reward,val/score,val/anu,val/queue",
        "0,9,1.0,,,",
        "0,9,,2.0,3.0,4.0",
        "1,19,1.5,2.5,3.5,4.5",
    ]
    (tmp_path / "metrics.csv").write_text("\n".join(rows) + "\n")
    page = write_report(tmp_path).read_text()
    assert page.count("data:image/png;base64") == 1 and "Training and validation over epochs" in page
    assert [_title(name) for name in ("train/loss", "val/score", "val/anu")] == [
        *("training: loss", "validation: score", "validation: ANU, nat")
    ]
    (tmp_path / "metrics.csv").write_text("epoch,step\n0,9\n")
    with pytest.raises(ValueError, match="got no column of training or validation"):
        write_report(tmp_path)


def test_curves_stand_beside_the_rules(tmp_path: Path) -> None:
    """A column `val/NAME:RULE` is a line in the panel of `val/NAME`, no panel of its own; ratios have the reference at one."""
    rows = [
        "epoch,step,val/score,val/score:max_rsrp,val/score:pf_optimum,val/sum_rate_vs_reference,val/pf_gain,train/loss:x",
        "0,9,0.5,0.0,1.0,1.2,0.1,3",
        "1,19,0.7,0.25,1.0,1.3,0.2,3",
    ]
    (tmp_path / "metrics.csv").write_text("\n".join(rows) + "\n")
    figure = training_curves(tmp_path / "metrics.csv")
    lines = {
        panel.get_title(): {line.get_label(): line.get_ydata()[0] for line in panel.get_lines()[1:]}
        for panel in figure.axes
        if panel.get_visible()
    }
    assert lines == {
        "validation: score": {"max_rsrp": 0.25, "pf_optimum": 1.0},
        "validation: sum rate / reference": {"reference": 1.0},
        "validation: PF gain, nat": {"reference": 0.0},
    }
    assert rule_levels({"val/anu": ([1.0], [2.0])}) == {}


def test_links_are_neither_read_nor_written_through(tmp_path: Path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "secret.png").write_bytes(b"secret picture")
    (other / "results.csv").write_text("policy,jain\nsecret,1\n")
    (other / "kept.html").write_text("kept")
    (folder / "results.csv").write_text(CSV)
    (folder / "figure.png").symlink_to(other / "secret.png")
    (folder / "sub").symlink_to(other)
    (folder / "metrics.csv").symlink_to(other / "results.csv")
    (folder / "report.html").symlink_to(other / "kept.html")
    page = write_report(folder).read_text()
    assert "secret" not in page and "c2VjcmV0" not in page  # the latter is how base64 would begin
    assert (other / "kept.html").read_text() == "kept" and not (folder / "report.html").is_symlink()
    assert sorted(path.name for path in other.iterdir()) == ["kept.html", "results.csv", "secret.png"]


def test_a_link_is_not_followed_even_when_it_appears_late(tmp_path: Path) -> None:
    """What is read is opened without following links, and a pipe does not hold the command."""
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "results.json").symlink_to(tmp_path / "secret.json")
    os.mkfifo(tmp_path / "results.csv")
    assert _read(tmp_path / "results.json") is None and _read(tmp_path / "results.csv") is None
    assert _read(tmp_path / "secret.json") == b"{}" and _read(tmp_path) is None and _read(None) is None


def test_a_page_runs_and_loads_nothing_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(CSV)
    page = write_report(tmp_path).read_text()
    rules = re.search(r"Content-Security-Policy\" content=\"([^\"]*)\"", page)
    assert rules is not None and rules[1].startswith("default-src 'none'; img-src data:; ")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in rules[1]
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.findall(r"(?:src|href)='(?!data:)|https?://|url\(| on\w+=| style=", page)


def test_decisions_are_shown_as_far_as_there_is_room(tmp_path: Path) -> None:
    cells = ["site,cell,power_w,power_w_rb0,power_dbm_rb0,load", *(f"<S{k}>,007,1.5,1,30,0.25" for k in range(205))]
    (tmp_path / "cells.csv").write_text("\n".join(cells) + "\n")
    (tmp_path / "users.csv").write_text("user,cell,rate_bps,own\nann,007,2500000,\n")
    (tmp_path / "predict.json").write_text(json.dumps({"policy": "pf", "seed": 3}))
    page = write_report(tmp_path).read_text()
    assert "policy pf; seed 3" in page and "5 of 205 rows of cells.csv are left out here" in page
    assert "2 columns of single resource blocks are in cells.csv alone" in page and "rb0" not in page
    assert "&lt;S199&gt;" in page and "S200" not in page and "<S" not in page
    assert (
        ">007</td>" in page
        and ">power w [W]</button>" in page
        and "<dd>transmit power, mean over the episode</dd>" in page
    )
    assert page.index("Cells") < page.index("Users") and "<td data-value='2500000'>2.5e+06</td>" in page


def test_gains_of_a_plan_have_both_kinds(tmp_path: Path) -> None:
    interval = {"value": 1.25, "low": 1.0, "high": 1.5, "unit": "1"}
    gains = {"sum_rate_vs_reference": interval, "<i>": {"value": "<u>"}}
    about = {"reference": "<pf>", "gains": gains, "gains_fixed": {"pf_gain": {**interval, "low": None}}}
    (tmp_path / "plan.json").write_text(json.dumps(about))
    (tmp_path / "cells.csv").write_text("cell,load\n0,1\n")
    page = write_report(tmp_path).read_text()
    assert "<h3>Gain over &lt;pf&gt;</h3>" in page and "<i>" not in page and "<u>" not in page
    assert ">sum rate / reference</td><td" in page and ">1.25 (1 to 1.5)</td>" in page
    assert page.count("<td data-value=''></td>") == 3  # what only one kind has
    (tmp_path / "plan.json").write_text(json.dumps({"gains": 3, "gains_fixed": []}))
    assert "Gain over" not in write_report(tmp_path).read_text()


def test_figures_come_in_the_order_of_their_captions(tmp_path: Path) -> None:
    for name in ("zebra", "indicators_1", "confusion", "indicators_0"):
        (tmp_path / f"{name}.png").write_bytes(b"png")
    page = write_report(tmp_path).read_text()
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", page)
    assert captions == [
        *["Means over the networks with 95% intervals; arrows point to the better side."] * 2,
        "Agreement of two associations, by cell.",
        "zebra",
    ]


def test_a_folder_with_nothing_to_show_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got neither figures nor results"):
        write_report(tmp_path)
