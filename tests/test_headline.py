"""The lines for the terminal say what the tables say."""

from pathlib import Path

import pytest

from pipeline import headline
from pipeline.settings import places
from pipeline.values.errors import UserError
from stages import aggregate
from tests import synthetic
from tests.synthetic import RMSE, lane


def test_headline_leaves_out_what_is_not_known() -> None:
    nothing = headline.headline(synthetic.settings(), {"toy": synthetic.outcome([lane("dense", 0)])})
    assert nothing.startswith("toy\n  The dense network classifies 96.10% of the test set correctly at its early stop.\n")
    assert len(nothing.splitlines()) == 3  # the last is about the test set
    full = headline.headline(synthetic.settings(), {"toy": synthetic.outcome(synthetic.lanes())})
    assert len(full.splitlines()) == 7
    assert "the same masks with fresh weights (by mean iterations), and its accuracy is 3.00 points higher" in full


def test_the_headline_says_how_much_one_example_of_the_test_set_is() -> None:
    said = headline.headline(synthetic.settings(), {"toy": synthetic.outcome(synthetic.lanes())}).splitlines()[-1]
    assert "360 examples" in said  # of digits
    assert "0.28 points" in said
    error = [lane("ticket", k, metric=RMSE, value=0.5) for k in (0, 1)]
    said = headline.headline(synthetic.settings(), {"toy": synthetic.outcome(error)}).splitlines()[-1]
    assert "360 examples" in said
    assert "points" not in said


def test_after_a_run_the_headline_and_the_page_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    synthetic.write()
    monkeypatch.setattr("sys.argv", ["headline"])
    with pytest.raises(UserError, match=r"rounds\.csv is missing"):
        headline.main()
    aggregate.main("toy")
    headline.main()
    shown = capsys.readouterr().out
    assert "The dense network classifies 96.15%" in shown
    assert str(places.index()) in shown
