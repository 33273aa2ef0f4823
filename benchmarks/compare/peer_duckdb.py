"""peer_duckdb.py - what is compared with gleam, by DuckDB.

    peer_duckdb.py THREADS count FILE         rows per value of column 2, the five most frequent
    peer_duckdb.py THREADS join FILE NAMES    NAMES is (name, region, weight): the sum of weights
                                              of each region over the rows of FILE
    peer_duckdb.py THREADS sort FILE SORTED   the lines of FILE, sorted by their first ten bytes,
                                              as lines of SORTED

Types and dialect are given, so that nothing is guessed.  Prints "value<TAB>number".
"""
import sys

import duckdb

READ = "read_csv(?, header = false, delim = ',', quote = '\"', escape = '\"', columns = {%s})"
ROWS = READ % "'a': 'VARCHAR', 'b': 'VARCHAR'"
NAMES = READ % "'name': 'VARCHAR', 'region': 'BIGINT', 'weight': 'BIGINT'"
QUERIES = {
    "count": f"SELECT b, count(*) AS n FROM {ROWS} GROUP BY b ORDER BY n DESC, b LIMIT 5",
    "join": f"SELECT region, sum(weight)::BIGINT FROM {ROWS} JOIN {NAMES} ON b = name "
            "GROUP BY region ORDER BY region",
}

# Lines end in "\r\n", of which the carriage return is written back with them; no byte 1 is in them.
SORT = ("COPY (SELECT line || chr(13) FROM read_csv(?, header = false, auto_detect = false, "
        "delim = '\1', quote = '', escape = '', new_line = '\\r\\n', "
        "columns = {'line': 'VARCHAR'}) ORDER BY line[:10]) "
        "TO '%s' (FORMAT csv, HEADER false, DELIMITER '\1', QUOTE '', ESCAPE '')")

connection = duckdb.connect()
connection.execute("SET threads = %d" % int(sys.argv[1]))
if sys.argv[2] == "sort":
    connection.execute(SORT % sys.argv[4].replace("'", "''"), [sys.argv[3]])
else:
    for value, count in connection.execute(QUERIES[sys.argv[2]], sys.argv[3:]).fetchall():
        print("%s\t%d" % (value, count))
