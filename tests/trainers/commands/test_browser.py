"""Reports in headless Chromium, as wide as a phone and as a desktop: no error, no overflow, every figure, tables that sort.

Chromium has no window as narrow as a phone: pages are in frames of the width.
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hetgraph.trainers.cli import main
from hetgraph.trainers.commands.report import write_report
from hetgraph.trainers.judge.places import DEGREES, MapCell, MapUsers, Places, write_places

CHROMIUM = shutil.which("chromium")
WIDTHS = (390, 1440)
SECONDS = 120
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium: got none on PATH, expected Debian's package")
RUNS = {
    "snapshot": ("--scenario", "hetnet-3tier", "--policies", "max_rsrp,pf"),
    "queues": ("--scenario", "hex-19:rings=1", "--slots", "40", "--load", "10,20", "--policies", "lqf_best,genie"),
    "arrivals": ("--policies", "best_rate,argmax"),
    "handover": ("--cells", "8", "--slots", "3", "--policies", "max_rsrp,pf_greedy"),
    "iot": ("--slots", "3", "--policies", "wmmse_pf,wmmse_path_loss"),
}
# What is measured of each frame, and what a click on the second heading and another policy change.
MEASURE = """
const out = [];
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, root = page.documentElement, heads = page.querySelectorAll("th");
  const column = () => Array.from(page.querySelector("table").tBodies[0].rows, (row) => row.cells[1].dataset.value);
  heads[1].querySelector("button").click();
  const up = column(), sorted = heads[1].getAttribute("aria-sort");
  heads[1].querySelector("button").click();
  const choice = page.querySelector("select"), shown = () => page.querySelectorAll("g[data-policy]:not(.off)").length;
  if (choice) { choice.value = "0"; choice.dispatchEvent(new Event("change")); }
  const user = page.querySelector("svg g:not(.off) .user");
  if (user) user.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  out.push({
    overflow: root.scrollWidth - root.clientWidth, width: frame.contentWindow.innerWidth,
    images: Array.from(page.images, (image) => image.naturalWidth), up, down: column(), sorted,
    groups: choice ? shown() : null, first: choice ? !page.querySelector("g[data-policy='0']").matches(".off") : null,
    said: user ? page.querySelector("output").textContent : null,
    maps: Array.from(page.querySelectorAll("svg"), (each) => each.getBoundingClientRect().width),
  });
}
document.body.innerHTML = "<pre></pre>";
document.querySelector("pre").textContent = JSON.stringify(out);
"""


def look(pages: list[Path], folder: Path) -> list[dict[str, object]]:
    """What Chromium measures of each page at each width; it must have nothing to complain about."""
    frames = "".join(
        f"<iframe src='{page.as_uri()}' style='width:{width}px;height:900px;border:0'></iframe>"
        for page in pages
        for width in WIDTHS
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f"<body>{frames}<script>window.onload = () => {{ {MEASURE} }}</script></body>")
    command = [
        *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"),
        *("--enable-logging=stderr", "--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}"),
        *("--window-size=1600,900", "--dump-dom", wrapper.as_uri()),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=True, env={**os.environ, "HOME": str(folder)}
    )
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[:500]
    measured: list[dict[str, object]] = json.loads(html.unescape(found[1]))
    assert [each["width"] for each in measured] == list(WIDTHS) * len(pages)
    return measured


def as_numbers(values: object) -> list[float]:
    assert isinstance(values, list)
    return [float(value) for value in values]


def test_pages_fit_phones_and_desktops_and_sort(tmp_path: Path) -> None:
    """A page with a long command, wide tables, a figure and a map of sectors with policies."""
    from hetgraph.trainers.judge.plots import save, single

    figure, axes = single()
    axes.plot([1, 2], [3, 4])
    save(figure, tmp_path, "rate_cdf")
    wide = ",".join(f"column_{k}" for k in range(40))
    rows = [f"{name},{value},{','.join(['1234567'] * 40)}" for name, value in (("a", "10"), ("b", "9"), ("c", "-2"))]
    (tmp_path / "results.csv").write_text("\n".join([f"policy,sum_rate_bps,{wide}", *rows]) + "\n")
    (tmp_path / "results.json").write_text(json.dumps({"command": "hetgraph " + "x" * 900}))
    cells = [MapCell("S", f"S{k}", "macro", 11.5, 48.1, 120.0 * k) for k in range(3)]
    users = MapUsers(["ann", "bob"], np.array([[11.51, 48.11], [11.49, 48.1]]), np.array([0, -1]))
    places = Places("net", DEGREES, (74_000.0, 111_000.0), cells, {"one": users, "two": users}, [0, 1, 2])
    write_places(tmp_path / "map.json", places)
    page = write_report(tmp_path)
    for each in look([page], tmp_path):
        assert each["overflow"] == 0, each
        assert each["images"] == [1125]
        assert as_numbers(each["up"]) == [-2, 9, 10] and as_numbers(each["down"]) == [10, 9, -2]
        assert each["sorted"] == "ascending" and (each["groups"], each["first"]) == (1, True)
        assert each["said"] == "user ann: S0"
        (width,) = as_numbers(each["maps"])
        assert 300 < width <= 1100


@pytest.mark.all
def test_runs_of_all_tasks_are_whole_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task, options in RUNS.items():
        for command in (["compare", task, *options, "--layouts", "2", "--out", task], ["report", task]):
            with pytest.raises(SystemExit) as done:
                main(command)
            assert done.value.code == 0
    pages = [tmp_path / task / "report.html" for task in RUNS]
    measured = look(pages, tmp_path)
    for number, each in enumerate(measured):
        folder = pages[number // len(WIDTHS)].parent
        assert each["overflow"] == 0, (folder.name, each)
        figures = list(folder.glob("*.png"))
        assert each["images"] == [1125] * len(figures) and len(figures) >= 3, folder.name
        assert each["groups"] == 1 and each["said"], folder.name
        assert len(as_numbers(each["maps"])) == 1
