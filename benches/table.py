"""Rows as lines of Markdown that are also aligned for people; the first row names the columns."""


def table(rows):
    columns = len(rows[0])
    cells = [[str(cell) for cell in row] + [""] * (columns - len(row)) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(columns)]
    cells.insert(1, ["-" * width for width in widths])
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"  # noqa: E731
    return [line(row) for row in cells]
