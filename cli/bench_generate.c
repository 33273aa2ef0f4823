/* bench_generate.c - `gleam bench generate`: text with a known vocabulary. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmarks/suite/records.h"
#include "benchmarks/suite/text.h"
#include "cli/cli.h"
#include "engine/base/text.h"

static const char usage[] =
    "usage: gleam bench generate [--text SIZE] [--words N] [--seed N] FILE\n"
    "Writes SIZE bytes (default 1G) of English-like text with N distinct words (default 1000000)\n"
    "in Zipf's distribution.  The same seed gives the same bytes.  FILE - is standard output.\n"
    "   or: gleam bench generate --records N [--ascii] [--skew] [--seed N] FILE\n"
    "Writes N records of 100 bytes in the layout of the Sort Benchmark: a key of 10 bytes,\n"
    "uniform (--skew: one key in every second record), and a value.  --ascii: printable, ending\n"
    "in \\r\\n.\n";

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "gleam bench generate: %s: %s\n", what, why);
    return 2;
}

/* What is to be written: records when their count is not 0. */
struct wanted {
    uint64_t bytes, words, seed;
    struct gm_records_spec records;
};

static int write_file(const char *path, const struct wanted *wanted)
{
    const int to_stdout = strcmp(path, "-") == 0;
    const int fd = to_stdout ? STDOUT_FILENO
                             : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = fd < 0 ? -errno : 0;
    if (rc == 0 && wanted->records.count > 0)
        rc = gm_records_write(fd, &wanted->records);
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
        fputs(usage, stdout);
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
    if (wanted.records.count == 0 && (wanted.records.ascii || wanted.records.skew))
        return refuse("--ascii and --skew", "they go with --records");
    gm_cli_no_more_options(&argc, argv);
    if (argc != 2) {
        fputs(usage, stderr);
        return 2;
    }
    return write_file(argv[1], &wanted);
}
