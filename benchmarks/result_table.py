"""A table of results for the terminal."""

from rich.table import Table


def result_table(title, fields, headings, results):
    """A rich table: a line for each of `results`, dicts, with a column for each of `fields`.

    headings: for fields whose name is not their heading.
    """
    made = Table(title=title)
    for field in fields:
        made.add_column(headings.get(field, field), justify="right")
    for result in results:
        made.add_row(*(_text(result[field]) for field in fields))
    return made


def _text(value):
    # Four digits of a fraction.
    return f"{value:.4g}" if isinstance(value, float) else str(value)
