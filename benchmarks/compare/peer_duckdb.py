"""peer_duckdb.py - what is compared with gleam, by DuckDB.

    peer_duckdb.py THREADS count FILE         rows per value of column 2, the five most frequent
    peer_duckdb.py THREADS join FILE NAMES    NAMES is (name, region, weight): the sum of weights
                                              of each region over the rows of FILE
    peer_duckdb.py THREADS join-top FILE NAMES    NAMES is (name, group, text): rows of FILE for each
                                              group, the five most frequent
    peer_duckdb.py THREADS join-rows N K MEM  N pairs of i64 meet K by their keys, within MEM: the
                                              sums of both sides' values over all matches
    peer_duckdb.py THREADS sort FILE SORTED   the lines of FILE, sorted by their first ten bytes,
                                              as lines of SORTED

Types and dialect are given, so that nothing is guessed.  Prints "value<TAB>number".
"""
import sys

import duckdb

READ = "read_csv(?, header = false, delim = ',', quote = '\"', escape = '\"', columns = {%s})"
ROWS = READ % "'a': 'VARCHAR', 'b': 'VARCHAR'"
NAMES = READ % "'name': 'VARCHAR', 'region': 'BIGINT', 'weight': 'BIGINT'"
GROUPS = READ % "'name': 'VARCHAR', 'team': 'VARCHAR', 'text': 'VARCHAR'"
QUERIES = {
    "count": f"SELECT b, count(*) AS n FROM {ROWS} GROUP BY b ORDER BY n DESC, b LIMIT 5",
    "join": f"SELECT region, sum(weight)::BIGINT FROM {ROWS} JOIN {NAMES} ON b = name "
            "GROUP BY region ORDER BY region",
    "join-top": f"SELECT team, count(*) AS n FROM {ROWS} JOIN {GROUPS} ON b = name GROUP BY team "
                "ORDER BY n DESC, team LIMIT 5",
}

# The numbers stand in the text: the size of a range as a parameter is not known to the planner.
JOIN_ROWS = ("SELECT sum(l.value)::BIGINT, sum(r.value)::BIGINT FROM "
             "(SELECT range * 7919 % {1} AS key, range AS value FROM range({0})) l JOIN "
             "(SELECT range AS key, range * 3 AS value FROM range({1})) r ON l.key = r.key")

# Lines end in "\r\n", of which the carriage return is written back with them; no byte 1 is in them.
SORT = ("COPY (SELECT line || chr(13) FROM read_csv(?, header = false, auto_detect = false, "
        "delim = '\1', quote = '', escape = '', new_line = '\\r\\n', "
        "columns = {'line': 'VARCHAR'}) ORDER BY line[:10]) "
        "TO '%s' (FORMAT csv, HEADER false, DELIMITER '\1', QUOTE '', ESCAPE '')")

connection = duckdb.connect()
connection.execute("SET threads = %d" % int(sys.argv[1]))
query, parameters = QUERIES.get(sys.argv[2]), sys.argv[3:]
if sys.argv[2] == "join-rows":
    connection.execute("SET memory_limit = '%s'" % parameters.pop())
    query, parameters = JOIN_ROWS.format(*map(int, parameters)), []
elif sys.argv[2] == "sort":
    query = SORT % parameters.pop().replace("'", "''")
answer = connection.execute(query, parameters)
if sys.argv[2] != "sort":
    for value, count in answer.fetchall():
        print("%s\t%d" % (value, count))
