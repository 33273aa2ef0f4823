"""csv_duckdb.py - rows per value of column 2 of a CSV file, the five most frequent, by DuckDB.

    csv_duckdb.py THREADS FILE

Types and dialect are given, so that nothing is guessed.  Prints "value<TAB>count".
"""
import sys

import duckdb

connection = duckdb.connect()
connection.execute("SET threads = %d" % int(sys.argv[1]))
for value, count in connection.execute(
        "SELECT b, count(*) AS n FROM read_csv(?, header = false, delim = ',', quote = '\"', "
        "escape = '\"', columns = {'a': 'VARCHAR', 'b': 'VARCHAR'}) "
        "GROUP BY b ORDER BY n DESC, b LIMIT 5", [sys.argv[2]]).fetchall():
    print("%s\t%d" % (value, count))
