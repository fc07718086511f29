"""`progress`: a bar on a terminal, a line elsewhere, nothing where none is wanted."""

import pytest

from bcq_tf.reports.progress import progress


@pytest.mark.parametrize(("shown", "err"), [(True, "counting [3]\n"), (False, "")])
def test_without_a_terminal_it_is_one_line(capsys, shown, err):
    with progress("counting [3]", 3, shown) as show:
        for done in range(4):
            show(done)
    assert capsys.readouterr() == ("", err)


def test_on_a_terminal_it_is_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes stderr for a terminal
    with progress("counting [3]", 3) as show:
        show(2)
    assert "counting [3]" in capsys.readouterr().err
