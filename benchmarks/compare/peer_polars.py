"""peer_polars.py - what is compared with gleam, by Polars: lazily, with its streaming engine.

    POLARS_MAX_THREADS=N peer_polars.py count FILE         rows per value of column 2, the five
                                                           most frequent
    POLARS_MAX_THREADS=N peer_polars.py join FILE NAMES    NAMES is (name, region, weight): the sum
                                                           of weights of each region over FILE

Types are given, so that nothing is guessed.  Prints "value<TAB>number".
"""
import sys

import polars as pl


def rows_of(path, **columns):
    return pl.scan_csv(path, has_header=False, schema=columns)


rows = rows_of(sys.argv[2], a=pl.String, b=pl.String)
if sys.argv[1] == "count":
    found = (rows.group_by("b").agg(pl.len())
             .sort(["len", "b"], descending=[True, False]).head(5))
else:
    names = rows_of(sys.argv[3], name=pl.String, region=pl.Int64, weight=pl.Int64)
    found = (rows.join(names, left_on="b", right_on="name").group_by("region")
             .agg(pl.col("weight").sum()).sort("region"))
for value, count in found.collect(engine="streaming").rows():
    print("%s\t%d" % (value, count))
