"""What is shown while something runs."""

import sys

from erlangen.recipes import progress


def test_without_a_terminal_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    with progress.progress_bar("counting", 4) as tick:
        tick()
        tick(3)
    assert capsys.readouterr().err == "counting: 25 %\ncounting: 100 %\n"


def test_what_is_over_at_once_shows_nothing(monkeypatch, capsys):
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with progress.progress_bar("counting", 1) as tick:
            tick()
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_bar_that_goes_away(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress_bar("counting", 2) as tick:
        tick()
        tick()
    assert "counting" in capsys.readouterr().err
