"""Mistakes on the command line: one sentence, exit code 2, no traceback."""

from pathlib import Path

import lightning.pytorch  # noqa: F401  before output is captured: its log goes where it was at its import
import pytest

from hetgraph.trainers.cli import main

MISTAKES = [
    (["compare", "--env", "iot-noma"], "--env: got an option that is gone, expected a task"),
    (["compare", "--layout", "x"], "--layout: got an option that is gone, expected --scenario"),
    (
        ["compare", "mars"],
        "task: got 'mars', expected one of arrivals, handover, handover-traffic, iot, queues, snapshot",
    ),
    (["compare", "--load", "3"], "--load: got an option of tasks handover-traffic and queues"),
    (["compare", "queues", "--demand", "5"], "--demand: got an option of task arrivals"),
    (["compare", "--polic", "pf"], "compare snapshot: got '--polic'"),
    (["compare", "iot", "--policies", "best"], "policy: got 'best', expected one of"),
    (["compare", "iot", "--scenario", "iot-xx"], "preset: got 'iot-xx'"),
    (["compare", "iot", "--sites", "nowhere.csv"], "nowhere.csv: got no such file"),
    (["compare", "iot", "--layouts", "0"], "--layouts: got 0, expected at least 1"),
    (["compare", "handover", "--scenario", "mars"], "or a folder of drive tests"),
    (["compare", "handover", "--cells", "0"], "--cells: got 0, expected at least 1"),
    (["compare", "handover", "--slots", "0"], "--slots: got 0, expected at least 1"),
    (["finetune", "--ckpt", "any.ckpt"], "any.ckpt: got no such file"),
    (["finetune"], "finetune: the following arguments are required: --ckpt"),
    (["compare", "handover", "--reference", "best"], "--reference: got 'best', expected one of max_rsrp"),
    (["compare", "--policies", "nowhere:Policy"], "nowhere:Policy: got nothing that can be imported"),
    (["compare", "--policies", "pf,pf"], "--policies: got 'pf' twice"),
    (["compare", "--out", "file"], "--out: got file, which is a file"),
    (["compare", "--scenario", "mars"], "preset: got 'mars', expected one of uma-5bs"),
    (["compare", "--policies", "best"], "policy: got 'best', expected one of"),
    (["compare", "--policies", "no/such.ckpt"], "no/such.ckpt: got no such file, expected weights"),
    (["compare", "--scenario", "none.yaml"], "none.yaml: got no such file"),
    (["compare", "--sites", "none.csv"], "none.csv: got no such file, expected a CSV with the columns x,y or lat,lon"),
    (["compare", "--users", "u.csv"], "--users: got 'u.csv' without --sites, expected both"),
    (["compare", "--gain", "none.npz"], "none.npz: got no such file"),
    (["compare", "--layouts", "0"], "--layouts: got 0, expected at least 1"),
    (["compare", "--reference", "wmmse", "--policies", "pf"], "--reference: got 'wmmse', expected one of pf"),
    (["generate", "--out", "x", "--count", "0"], "--count: got 0, expected 1 or more"),
    (["report", "nowhere"], "nowhere: got no such folder"),
    (
        ["fit", "--config", "conflict-8", "--trainer.enable_progress_bar", "false"],
        "`enable_progress_bar=False` but found",
    ),
    (["compare", "queues", "--scenario", "conflict-8", "--load", "much"], "--load: got 'much', expected numbers"),
    (
        ["compare", "queues", "--scenario", "conflict-8", "--policies", "lqf_subband"],
        "got an environment without channels",
    ),
    (
        ["compare", "queues", "--scenario", "hex-19", "--policies", "gms"],
        "policy gms: got a graph without conflict edges",
    ),
    (["compare", "queues", "--traffics", "0"], "--traffics: got 0, expected at least 1"),
    (["compare", "--policies", "gms"], "policy: got 'gms', expected one of"),
    (["fit", "--config", "nothing"], "--config: got 'nothing', expected a file or one of conflict-8, d3qn, grows"),
    (["fit", "--config", "hetgnn", "--model.init_args.roundz", "3"], "'roundz' is not accepted"),
    (["conquer"], "command: got 'conquer', expected one of fit"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_mistakes_get_one_sentence_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as done:
        main(arguments)
    err = capsys.readouterr().err
    assert done.value.code == 2
    assert message in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("hetgraph: error:")]) == 1
