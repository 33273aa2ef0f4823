#!/usr/bin/env python3
"""test_original_faults.py - what the original Gleam was seen to get wrong on one machine: a case each.

Where another file has the case already, ELSEWHERE names it.  The numbers are those of the observations:
1000 rows of 50 keys in 4 and 8 partitions, a sort of 21 and 25, a round robin from 4 to 8, and so on.
"""
import os
import re
import signal
from collections import Counter

import driver
import lib
from driver import scaled

# {fault: (file, case)}
ELSEWHERE = {
    "limit: sources were read to their end": ("test_operators", "limit_stops_reading"),
    "a job whose executor was killed ended as if all were well": ("test_accidents",
                                                                 "a_killed_executor_fails_the_job"),
    "an executor's children stayed when it was killed": ("test_pipes", "a_killed_executor"),
    "a killed driver left its files": ("test_accidents", "a_killed_driver_leaves_no_file"),
    "a killed driver left its executors": ("test_accidents",
                                          "a_killed_driver_takes_its_executors_along"),
    "a mapper that printed corrupted the rows": ("test_accidents",
                                                 "a_mapper_that_prints_does_not_mix_with_the_output"),
    "a sort held all rows in memory": ("test_spill", "sort_of_many_times_the_memory"),
    "a text of 100 MB in one line": ("test_input", "a_line_of_100_mb"),
    "commands as arguments: columns were code": ("test_pipes", "columns_are_arguments_and_never_code"),
    "a file that ends too early was taken as whole": ("test_input",
                                                     "a_file_that_shrinks_while_it_is_read"),
    "one bad path among good ones went unnoticed": ("test_input", "one_bad_path_among_good_ones"),
    "a damaged compressed file was taken as whole": ("test_csv", "a_cut_or_damaged_file"),
    "a connection that broke off was taken as an end": (
        "test_sources", "a_connection_that_breaks_off_is_no_end"),
    "a stopped job could only be killed": ("test_accidents", "a_stopped_executor_can_be_ended"),
    "an output file was there, half written, after a failure": (
        "test_csv", "a_failure_leaves_the_old_output"),
}


class Faults(driver.DriverCase):

    def command(self, code, *options):
        return [lib.binary("gleam"), "run", "--quiet", "--memory", "512M", *options, "-e", code]

    def lines(self, code, executors=2, **more):
        """What a script prints, line by line."""
        return self.run_ok(self.command(code, "--executors", str(executors)), **more).out.splitlines()

    def fails(self, code, *words):
        """The script ends with status 1 and a message that says these words."""
        done = self.run_bad(self.command(code), *words)
        self.assertEqual(done.status, 1, done.err)
        return done

    def key_rows(self, partitions):
        """1000 rows of 50 keys, in so many partitions, as Lua: columns are key and number."""
        path = self.file("".join("%d\n" % i for i in range(1000)), "numbers")
        return ('gleam.New():TextFile("%s", %d):Map(function(s) return "key" .. s %% 50, s + 0 end)'
                ':As("key bytes, n i64")' % (path, partitions))

    KEYS = {"key%d" % k: [i for i in range(1000) if i % 50 == k] for k in range(50)}

    # -- section 9.1: wrong results

    def test_reduce_by_in_several_partitions(self):
        want = sorted("%s %d" % (key, sum(values)) for key, values in self.KEYS.items())
        for partitions in (1, 2, 4, 8):
            rows = self.key_rows(partitions)
            for step in ("ReduceByKey(gleam.Sum)", "ReduceBy(function(x, y) return x + y end)"):
                got = self.lines('%s:%s:Printlnf("%%s %%d"):Run()' % (rows, step))
                self.assertEqual(sorted(got), want, (partitions, step))

    def test_reduce_by_behind_round_robin_and_map(self):
        """53 rows in, 18 out."""
        got = self.lines('gleam.New():Ints(0, 53):RoundRobin(4):Map(function(n) return n, 1 end)'
                         ':As("k i64, n i64"):ReduceByKey(gleam.Sum):Printlnf("%d %d"):Run()')
        self.assertEqual(sorted(got), sorted("%d 1" % n for n in range(53)))

    def test_reduce_by_several_columns(self):
        got = self.lines('%s:Map(function(k, n) return k:sub(1, 4), n %% 2, n end)'
                         ':As("a bytes, b i64, n i64"):ReduceBy(gleam.Sum, gleam.Field(1, 2))'
                         ':Printlnf("%%s %%d %%d"):Run()' % self.key_rows(8))
        want = Counter()
        for i in range(1000):
            want[("key%d" % (i % 50))[:4], i % 2] += i
        self.assertEqual(sorted(got), sorted("%s %d %d" % (key + (n,)) for key, n in want.items()))

    def test_reduce_of_several_columns(self):
        """It took the key columns alone."""
        self.assertEqual(self.lines('gleam.New():Ints(1, 101):RoundRobin(4):Map(function(n) '
                                    'return n, -n end):As("a i64, b i64"):Reduce(gleam.Sum)'
                                    ':Printlnf("%d %d"):Run()'), ["5050 -5050"])

    def test_group_by_in_several_partitions(self):
        """Keys came twice, with other nestings, and the lists in no order."""
        want = sorted("%s [%s]" % (key, ", ".join(map(str, values)))
                      for key, values in self.KEYS.items())
        for partitions in (1, 4, 8):
            got = self.lines('%s:GroupBy():Printlnf("%%s %%v"):Run()' % self.key_rows(partitions))
            self.assertEqual(sorted(got), want, partitions)

    def test_group_by_of_nothing(self):
        """It made an empty row."""
        for step in ("GroupBy()", "Distinct()", "ReduceByKey(gleam.CountRows)", "Top(3)", "Sort()"):
            self.assertEqual(self.lines('gleam.New():Slices{}:As("a bytes, b i64"):%s'
                                        ':Printlnf("%%v %%v"):Run()' % step), [], step)

    def test_top_of_several_partitions(self):
        for partitions in (1, 4, 8, 21):
            got = self.lines('%s:Top(5, gleam.OrderBy(2, false)):Printlnf("%%s %%d"):Run()'
                             % self.key_rows(partitions))
            self.assertEqual(got, ["key%d %d" % (n % 50, n) for n in range(999, 994, -1)])

    def test_sort_by_another_column(self):
        for partitions in (1, 2, 4, 8):
            got = self.lines('%s:Map(function(k, n) return k, (n * 7919) %% 1000 end)'
                             ':As("k bytes, n i64"):Sort(2):Printlnf("%%s %%d"):Run()'
                             % self.key_rows(partitions))
            self.assertEqual([int(line.split()[1]) for line in got], list(range(1000)))

    def test_sort_by_several_columns(self):
        """By() did nothing in the Lua form."""
        got = self.lines('%s:Sort(gleam.OrderBy(1, false):By(2, true)):Printlnf("%%s %%d"):Run()'
                         % self.key_rows(4))
        want = [(key, n) for key, values in self.KEYS.items() for n in values]
        want.sort(key=lambda pair: pair[1])
        want.sort(key=lambda pair: pair[0], reverse=True)
        self.assertEqual(got, ["%s %d" % pair for pair in want])

    def test_sort_is_stable(self):
        got = self.lines('%s:Sort(1):Printlnf("%%s %%d"):Run()' % self.key_rows(8))
        self.assertEqual(got, ["%s %d" % (key, n) for key in sorted(self.KEYS)
                               for n in self.KEYS[key]])

    def test_sort_of_21_and_25_partitions(self):
        for partitions in (11, 15, 20, 21, 25, 30):
            got = self.lines('gleam.New():Ints(0, 1000):RoundRobin(%d)'
                             ':Sort(gleam.OrderBy(1, false)):Printlnf("%%d"):Run()' % partitions)
            self.assertEqual(got, [str(n) for n in range(999, -1, -1)], partitions)

    def test_merges_of_uneven_counts(self):
        for partitions, to in ((21, 2), (25, 10), (7, 3), (5, 4), (3, 7)):
            source = "gleam.New():Ints(0, 1000):RoundRobin(%d)" % partitions
            for steps in ("MergeTo(%d)" % to, "LocalSort():MergeSortedTo(%d)" % to,
                          "LocalSort():TreeMergeSortedTo(%d, 10)" % to):
                got = self.lines('%s:%s:Printlnf("%%d"):Run()' % (source, steps))
                self.assertEqual(sorted(map(int, got)), list(range(1000)), (partitions, steps))
            got = self.lines('%s:LocalSort():MergeSortedTo(1):Printlnf("%%d"):Run()' % source)
            self.assertEqual(got, list(map(str, range(1000))))

    def test_join_on_another_column(self):
        for partitions in (1, 4, 8):
            got = self.lines('local f = gleam.New() local function side(name) return f:Ints(0, 200)'
                             ':RoundRobin(%d):Map(function(n) return name .. n, n end):As("s bytes, '
                             'n i64") end side("a"):Join(side("b"), gleam.Field(2))'
                             ':Printlnf("%%d %%s %%s"):Run()' % partitions)
            self.assertEqual(sorted(got), sorted("%d a%d b%d" % (n, n, n) for n in range(200)))

    def test_hash_join_takes_every_row_of_the_small_side(self):
        """Every row met the last one of the small side, and only the small side's first partition."""
        got = self.lines('local f = gleam.New() f:Ints(0, 300):RoundRobin(3):Map(function(n) '
                         'return n % 30, n end):As("k i64, n i64"):HashJoin(f:Ints(0, 40)'
                         ':RoundRobin(4):Map(function(n) return n % 20, "s" .. n end)'
                         ':As("k i64, s bytes")):Printlnf("%d %d %s"):Run()')
        want = ["%d %d s%d" % (n % 30, n, s) for n in range(300) for s in range(40)
                if n % 30 == s % 20]
        self.assertEqual(sorted(got), sorted(want))

    def test_broadcast_of_every_partition(self):
        got = self.lines('gleam.New():Ints(0, 100):RoundRobin(5):Broadcast(3):Printlnf("%d"):Run()')
        self.assertEqual(Counter(map(int, got)), Counter({n: 3 for n in range(100)}))

    def test_round_robin_of_several_partitions(self):
        """From 4 to 8: corrupted rows, and it never ended."""
        got = self.lines('gleam.New():Ints(0, 20000):RoundRobin(4):RoundRobin(8)'
                         ':Printlnf("%d"):Run()')
        self.assertEqual(sorted(map(int, got)), list(range(20000)))
        got = self.lines('gleam.New():Ints(0, 20000):RoundRobin(4):RoundRobin(8)'
                         ':Pipe("wc -l"):As("n i64"):Printlnf("%d"):Run()')
        self.assertEqual(len(got), 8)  # and not 4 times 8
        self.assertEqual(sum(map(int, got)), 20000)
        self.assertLessEqual(max(map(int, got)) - min(map(int, got)), 8)

    def test_partition_into_one(self):
        """It left the partitions as they were."""
        got = self.lines('gleam.New():Ints(0, 1000):RoundRobin(4):Partition(1, gleam.Field(1))'
                         ':Pipe("wc -l"):As("n i64"):Printlnf("%d"):Run()')
        self.assertEqual(got, ["1000"])

    def test_union_of_other_numbers_of_partitions(self):
        """More partitions were dropped, and fewer were a panic."""
        for ours, others in ((2, 5), (5, 2), (1, 8)):
            got = self.lines('local f = gleam.New() f:Ints(0, 100):RoundRobin(%d):Union({'
                             'f:Ints(100, 300):RoundRobin(%d), f:Ints(0, 7)}):Printlnf("%%d"):Run()'
                             % (ours, others))
            self.assertEqual(sorted(map(int, got)), sorted(list(range(300)) + list(range(7))))

    def test_pipe_keeps_numbers_and_nulls(self):
        """(5, a, 7, b) arrived as TAB TAB a TAB b."""
        got = self.lines('gleam.New():Slices{{5, "a", 7, "b"}, {0.5, "c", nil, true}}:Sort(2)'
                         ':Pipe("tr \'\\\\t\' \'|\'"):Printlnf("%s"):Run()')
        self.assertEqual(got, ["5|a|7|b", "0.5|c||true"])

    def test_float_keys_are_spread(self):
        """All of them hashed to one partition; bools and nulls too."""
        got = self.lines('gleam.New():Ints(0, 1000):Map(function(n) return n + 0.5 end):As("x f64")'
                         ':Partition(4, gleam.Field(1)):Pipe("wc -l"):As("n i64"):Printlnf("%d"):Run()')
        self.assertEqual(len(got), 4)
        self.assertEqual(sum(map(int, got)), 1000)
        self.assertGreater(min(map(int, got)), 150)

    def test_integers_at_both_ends_compare(self):
        """Compared by a subtraction, which overflowed."""
        numbers = "-9223372036854775807LL, 5, 9223372036854775806LL, -3"
        for step in ("Sort()", "Top(9)", "RoundRobin(3):Sort()"):
            got = self.lines('gleam.New():Slices{{%s}}:FlatMap(function(...) local t = {} '
                             'for i = 1, select("#", ...) do t[i] = {(select(i, ...))} end return t '
                             'end):As("n i64"):%s:Printlnf("%%d"):Run()' % (numbers, step))
            self.assertEqual(got, ["-9223372036854775807", "-3", "5", "9223372036854775806"])

    def test_values_of_several_kinds_have_an_order(self):
        """Mixed kinds compared equal; a shorter list was a panic."""
        got = self.lines('gleam.New():Slices{{"b"}, {2}, {{1, 2}}, {true}, {1.5}, {{1}}, {"a"}, {0/0},'
                         '{nil}}:As("v any"):Sort():Printlnf("%v"):Run()')
        self.assertEqual([line.lower() for line in got],
                         ["null", "true", "1.5", "2", "nan", "a", "b", "[1]", "[1, 2]"])

    # -- inputs that ended silently

    def test_long_lines(self):
        """A line beyond 64 KiB ended the file: 2 of 5 rows, status 0."""
        path = self.file("".join("%s\n" % ("x" * n) for n in (5, 10, 70000, 3, 2_000_000)))
        for source in ('TextFile("%s")' % path, 'Read(gleam.Tsv("%s"))' % path):
            got = self.lines('gleam.New():%s:Map(function(s) return #s end):Printlnf("%%d"):Run()'
                             % source)
            self.assertEqual(sorted(map(int, got)), [3, 5, 10, 70000, 2_000_000])

    def test_apostrophes_in_csv(self):
        """It's ended the file."""
        path = self.file("1,it's\n2,'quoted'\n3,rock 'n' roll\n4,plain\n", "a.csv")
        got = self.lines('gleam.New():Read(gleam.Csv("%s")):Printlnf("%%s %%s"):Run()' % path)
        self.assertEqual(sorted(got), ["1 it's", "2 'quoted'", "3 rock 'n' roll", "4 plain"])

    def test_a_bare_quote_in_csv_is_an_error(self):
        path = self.file('1,a\n2,b"c\n3,d\n', "a.csv")
        self.fails('gleam.New():Read(gleam.Csv("%s")):Printlnf("%%s %%s"):Run()' % path, path, "2")

    def test_missing_files(self):
        for source in ('TextFile("%s")', 'Read(gleam.Csv("%s"))', 'Read(gleam.Tsv("%s"))'):
            path = os.path.join(self.dir, "missing")
            self.fails(('gleam.New():' + source + ':Printlnf("%%s"):Run()') % path, path,
                       "No such file")

    def test_one_large_file_is_split(self):
        """Whole files were spread; a large one stayed in one partition."""
        path = self.file("".join("%09d\n" % i for i in range(10000)))
        got = self.lines('gleam.New():TextFile("%s", 4):Pipe("wc -l"):As("n i64"):Printlnf("%%d")'
                         ':Run()' % path)
        self.assertEqual(len(got), 4)
        self.assertEqual(sum(map(int, got)), 10000)
        self.assertGreater(min(map(int, got)), 2000)

    def test_slices_are_columns(self):
        """The whole slice was one key."""
        got = self.lines('gleam.New():Slices{{"a", 1}, {"b", 2}}:Map(function(s, n) return n, s end)'
                         ':Sort():Printlnf("%d %s"):Run()')
        self.assertEqual(got, ["1 a", "2 b"])

    # -- failures that were none

    def test_errors_of_mappers(self):
        """The partition ended silently, and the status was 0."""
        for step in ("Map", "FlatMap", "Filter", "ForEach"):
            code = ('gleam.New():Ints(0, 1000):RoundRobin(4):%s(function(n) if n == 777 then '
                    'error("bad luck") end return {n} end):As("n any"):Printlnf("%%v"):Run()' % step)
            self.fails(code, "bad luck", "step '%s'" % step, "777")

    def test_errors_of_reducers(self):
        """The reducer died, its key was lost, and the status was 0."""
        rows = self.key_rows(4)
        self.fails(rows + ':ReduceByKey(function(x, y) if y > 900 then error("no sum") end return x end):Printlnf("%s %d"):Run()',
                   "no sum", "step 'ReduceByKey'")
        self.fails('gleam.New():Ints(0, 100):RoundRobin(4):Map(function(n) return n % 5, n, n end)'
                   ':As("k i64, a i64, b i64"):ReduceByKey(function(a, b, c, d) return a end)'
                   ':Printlnf("%d %d %d"):Run()', "step 'ReduceByKey'")

    def test_texts_that_are_no_numbers(self):
        """ToInt64("7") and ToInt64(3.5) were 0."""
        path = self.file("1,7\n2,3.5\n", "a.csv")
        self.fails('gleam.New():Read(gleam.Csv("%s")):As("a i64, b i64"):Printlnf("%%d %%d"):Run()'
                   % path, "3.5", "i64")
        self.fails('gleam.New():Slices{{"7"}}:As("n i64"):Printlnf("%d"):Run()', "i64")

    def test_a_format_that_does_not_fit(self):
        """An int by %s was printed as %!s(int64=1)."""
        self.fails('gleam.New():Ints(0, 3):Printlnf("%s"):Run()', "%s", "i64")

    def test_a_failure_in_one_partition_ends_the_job(self):
        """It waited for the others for ever."""
        code = ('gleam.New():Ints(0, 1000000):RoundRobin(4):Map(function(n) if n == 5 then error("x") '
                'end return n, 1 end):As("k i64, n i64"):ReduceByKey(gleam.Sum):Sort()'
                ':Printlnf("%d %d"):Run()')
        self.fails(code, "step 'Map'")

    def test_a_killed_command_ends_the_job(self):
        """It was started again in the middle of the rows."""
        self.fails('gleam.New():Ints(0, 100000):Pipe("head -c 1000; kill -9 $$")'
                   ':Printlnf("%s"):Run()', "step 'Pipe'", "signal 9")

    def test_a_killed_executor_leaves_no_command_behind(self):
        code = ('gleam.New():Ints(0, 10):Pipe("cat; sleep 1000"):Printlnf("%s"):Run()')
        process, executors = self.start_executors(self.command(code, "--executors", "2"), 2)
        found = lib.wait_until(lambda: [pid for pid, command in lib.processes_with(self.mark)
                                        if command.startswith("sleep 1000")], 10)
        self.assertTrue(found)
        os.kill(executors[0], signal.SIGKILL)
        _, err = process.communicate(timeout=20 * lib.SLOWER)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn(b"signal 9", err)
        # That nothing of it lives is checked when the case ends.

    # -- what hung

    def test_more_steps_than_executors(self):
        """2 million rows through more steps than slots: a deadlock without a message."""
        count = scaled(2_000_000)
        code = ('local f = gleam.New() local function d() return f:Ints(0, %d):RoundRobin(7)'
                ':Partition(5):Map(function(n) return n %% 1000, n end):As("k i64, n i64") end '
                'd():Union(d()):ReduceByKey(gleam.Sum):RoundRobin(8):Join(d():ReduceByKey('
                'gleam.CountRows)):Sort():Printlnf("%%d %%d %%d"):Run()' % count)
        for executors in (1, 2):
            got = self.lines(code, executors, seconds=120)
            self.assertEqual(len(got), 1000)
            self.assertEqual(sum(int(line.split()[1]) for line in got), count * (count - 1))

    def test_more_partitions_than_channels(self):
        """40 to 40 partitions were 1600 channels and 5 GB of buffers."""
        done = self.run_ok([lib.binary("gleam"), "run", "--quiet", "--memory", "256M", "-e",
                            'gleam.New():Ints(0, 100000):RoundRobin(40):Partition(40)'
                            ':LocalDistinct():Count():Printlnf("%d"):Run()'])
        self.assertEqual(done.out, "100000\n")

    def test_readers_at_other_speeds(self):
        """All readers of a dataset moved at the speed of the slowest, or stood still."""
        got = self.lines('local f = gleam.New() local d = f:Ints(0, 50000):RoundRobin(3)'
                         ' d:Limit(1):Count():Printlnf("limit %d") d:Count():Printlnf("all %d")'
                         ' d:Join(d):Count():Printlnf("join %d") f:Run()')
        self.assertEqual(sorted(got), ["all 50000", "join 50000", "limit 1"])

    def test_outer_join_with_an_empty_side_has_its_nulls(self):
        """How many nulls was seen from the first row of the other side."""
        got = self.lines('local f = gleam.New() f:Ints(0, 2):LeftOuterJoin(f:Slices{}'
                         ':As("k i64, a bytes, b bytes")):Printlnf("%d %v %v"):Run()')
        self.assertEqual(sorted(got), ["0 null null", "1 null null"])

    def test_ten_arguments_of_a_command(self):
        """$10 was taken as $1 and a 0; numbers were a panic."""
        got = self.lines('gleam.New():Slices{{1, 2, 3, 4, 5, 6, 7, 8, 9, "ten; echo no"}}'
                         ':PipeAsArgs("echo $1 ${10}"):Printlnf("%s"):Run()')
        self.assertEqual(got, ["1 ten; echo no"])

    # -- those of other files

    def test_what_other_files_hold_is_there(self):
        for fault, (name, case) in ELSEWHERE.items():
            with open(os.path.join(lib.HERE, name + ".py"), encoding="utf-8") as file:
                text = file.read()
            self.assertTrue(re.search(r"def test_%s\(" % case, text), fault)


if __name__ == "__main__":
    lib.main()
