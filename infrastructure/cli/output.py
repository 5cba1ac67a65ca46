"""What commands print: tables on terminals, plain lines elsewhere, JSON where asked."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infrastructure.cli.text import field, plain


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Rows as a table on a terminal, else tab-separated with a header. `columns`: heading → dotted path."""
    lines = [[plain(field(row, path)) for path in columns.values()] for row in rows]
    if sys.stdout.isatty():
        _table(list(columns), lines)
        return
    print("\t".join(columns))
    for line in lines:
        print("\t".join(line))


def print_facts(facts: Mapping[str, Any]) -> None:
    """Name and value, one a line; what is empty is left out."""
    shown = {name: plain(value) for name, value in facts.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")


def print_problem(problem: Mapping[str, Any]) -> None:
    """One line to the error stream: code, detail, what to do."""
    line = f"{problem.get('code')}: {problem.get('detail')}"
    remedy = problem.get("remedy")
    print(" ".join(f"{line} · {remedy}".split()) if remedy else line, file=sys.stderr)


def print_lines(lines: Iterable[str]) -> None:
    """Lines as they come."""
    for line in lines:
        print(line, flush=True)


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)
