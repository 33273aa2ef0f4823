"""sql.py - the reference interpreter beside SQLite: a flow as one query, where SQL can say it."""
import sqlite3

from flows import is_plain_for_sql
from operators import OPERATORS, sql_columns
from values import show_row


def query(flow, output):
    """(the query, {table: rows}), or None."""
    datasets, parts, tables = flow.compute(), [], {}
    for i, node in enumerate(flow.nodes):
        if node.source is not None:
            tables["t%d" % i] = (node.source.rows, datasets[i].width)
            parts.append("n%d AS (SELECT %s FROM t%d)" % (i, sql_columns(datasets[i].width), i))
            continue
        inputs = [datasets[k] for k in node.inputs]
        text = OPERATORS[node.name].sql(node.parameters, *inputs)
        if text is None:
            return None
        text = text.replace("{a}", "n%d" % node.inputs[0])
        if len(inputs) > 1:
            text = text.replace("{b}", "n%d" % node.inputs[1])
        parts.append("n%d AS (%s)" % (i, text))
    return "WITH %s SELECT * FROM n%d" % (", ".join(parts), output), tables


def check(flow):
    """None if SQL cannot say the flow; else a list of the outputs that differ from the reference."""
    if not is_plain_for_sql(flow) or flow.bytes() > 1 << 20:
        return None
    wrong, asked = [], False
    for output in flow.outputs:
        made = query(flow, output)
        if made is None:
            continue
        text, tables = made
        with sqlite3.connect(":memory:") as connection:
            for name, (rows, width) in tables.items():
                connection.execute("CREATE TABLE %s (%s)" % (name, sql_columns(width)))
                connection.executemany("INSERT INTO %s VALUES (%s)" % (
                    name, ", ".join("?" * width)), rows)
            try:
                got = sorted(show_row(row) for row in connection.execute(text))
            except sqlite3.OperationalError as error:
                if "references tables to its right" not in str(error):
                    raise
                continue  # SQLite pulls a right join apart that stands in another join
        connection.close()
        asked = True
        want = sorted(show_row(row) for row in flow.compute()[output].rows)
        if got != want:
            wrong.append((output, text, got, want))
    return wrong if asked else None
