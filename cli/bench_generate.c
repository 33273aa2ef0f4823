/* bench_generate.c - `gleam bench generate`: text with a known vocabulary. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmarks/suite/csv_text.h"
#include "benchmarks/suite/records.h"
#include "benchmarks/suite/text.h"
#include "benchmarks/suite/write_all.h"
#include "cli/cli.h"
#include "engine/base/text.h"

static const char help[] =
    "usage: gleam bench generate [--text SIZE] [--words N] [--seed N] FILE\n"
    "       gleam bench generate --csv ROWS [--seed N] FILE\n"
    "       gleam bench generate --records N [--ascii] [--skew] [--seed N] FILE\n"
    "\n"
    "Writes English-like text whose words have Zipf's distribution, for `gleam bench wordcount`.\n"
    "The same options give the same bytes.  FILE - is standard output.\n"
    "With --csv: ROWS rows with two text columns, 82 bytes a row, some quoted.\n"
    "With --records: N records of 100 bytes in the layout of the Sort Benchmark, for `gleam bench\n"
    "sort`: a key of 10 bytes, uniform, and a value.\n"
    "\n"
    "options\n"
    "  --ascii               printable records that end in \\r\\n\n"
    "  --csv ROWS            rows of CSV instead of text\n"
    "  --records N           so many records instead of text\n"
    "  --skew                every second record has one and the same key\n"
    "  --text SIZE           so many bytes: 300M, 1G (default: 1000000000)\n"
    "  --words N             so many distinct words (default: 1000000)\n"
    "  --seed N              another text for another number (default: 1)\n"
    "\n"
    "examples\n"
    "  gleam bench generate --text 1G --words 50000 words.txt\n"
    "  gleam bench generate --csv 7000000 rows.csv\n"
    "  gleam bench generate --records 10000000 records.bin\n"
    "  gleam bench generate --text 10M - | wc -w\n";

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "gleam bench generate: %s: %s\n", what, why);
    return 2;
}

/* What is to be written: rows of CSV or records when their count is not 0. */
struct wanted {
    uint64_t bytes, words, seed, rows;
    struct gm_records_spec records;
};

static int write_rows(int fd, uint64_t rows, uint64_t seed)
{
    static char buffer[1 << 20];
    struct gm_bench_csv generator;
    size_t bytes = 0;
    int rc = 0;
    gm_bench_csv_init(&generator, seed);
    for (; rows > 0 && rc == 0; rows--) {
        bytes += gm_bench_csv_row(&generator, buffer + bytes);
        if (bytes + GM_BENCH_CSV_ROW_BYTES_MAX <= sizeof buffer && rows > 1)
            continue;
        rc = gm_write_all(fd, buffer, bytes);
        bytes = 0;
    }
    return rc;
}

static int write_file(const char *path, const struct wanted *wanted)
{
    const int to_stdout = strcmp(path, "-") == 0;
    const int fd = to_stdout ? STDOUT_FILENO
                             : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = fd < 0 ? -errno : 0;
    if (rc == 0 && wanted->records.count > 0)
        rc = gm_records_write(fd, &wanted->records);
    else if (rc == 0 && wanted->rows > 0)
        rc = write_rows(fd, wanted->rows, wanted->seed);
    else if (rc == 0)
        rc = gm_bench_text(fd, wanted->bytes, (uint32_t)wanted->words, wanted->seed);
    if (!to_stdout && fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 || (rc == -EPIPE && to_stdout))
        return 0;
    fprintf(stderr, "gleam bench generate: cannot write %s: %s\n", path, strerror(-rc));
    return 1;
}

int gm_cli_bench_generate(int argc, char **argv)
{
    struct wanted wanted = {.bytes = UINT64_C(1000000000), .words = 1000000, .seed = 1};
    const char *why = "";
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    const char *value = gm_cli_option(&argc, argv, "--text");
    if (value != NULL && gm_text_parse_size(value, &wanted.bytes, &why) < 0)
        return refuse("--text", why);
    value = gm_cli_option(&argc, argv, "--words");
    if (value != NULL && (gm_text_parse_u64(value, GM_BENCH_WORDS_MAX, &wanted.words,
                                           &why) < 0 ||
                          wanted.words == 0))
        return refuse("--words", "a number from 1 to 67108864");
    value = gm_cli_option(&argc, argv, "--csv");
    if (value != NULL &&
        (gm_text_parse_u64(value, UINT64_C(1) << 40, &wanted.rows, &why) < 0 ||
         wanted.rows == 0))
        return refuse("--csv", "a number of rows");
    value = gm_cli_option(&argc, argv, "--seed");
    if (value != NULL && gm_text_parse_u64(value, UINT64_MAX, &wanted.seed, &why) < 0)
        return refuse("--seed", why);
    value = gm_cli_option(&argc, argv, "--records");
    if (value != NULL && (gm_text_parse_u64(value, GM_RECORDS_MAX, &wanted.records.count,
                                            &why) < 0 ||
                          wanted.records.count == 0))
        return refuse("--records", "a number of records from 1 to 2^40");
    wanted.records.ascii = gm_cli_flag(&argc, argv, "--ascii");
    wanted.records.skew = gm_cli_flag(&argc, argv, "--skew");
    wanted.records.seed = wanted.seed;
    gm_cli_no_more_options(&argc, argv);
    if (wanted.records.count == 0 && (wanted.records.ascii || wanted.records.skew))
        return refuse("--ascii and --skew", "they go with --records");
    if (argc != 2)
        return gm_cli_mistake(help);
    return write_file(argv[1], &wanted);
}
