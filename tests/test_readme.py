"""The README's example prints what the README says it prints."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
PYTHON_THEN_TEXT = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_example_prints_what_stands_below_it():
    found = PYTHON_THEN_TEXT.search(README.read_text("utf-8"))
    assert found, "README.md has no python block directly followed by a text block"
    code, expected = found.groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<the example in README.md>", "exec"), {"__name__": "readme"})
    assert printed.getvalue() == expected
