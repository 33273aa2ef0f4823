/* bench_generate.c - `gleam bench generate`: text with a known vocabulary. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmarks/suite/csv_text.h"
#include "benchmarks/suite/text.h"
#include "cli/cli.h"
#include "engine/base/text.h"

static const char help[] =
    "usage: gleam bench generate [--text SIZE] [--words N] [--seed N] FILE\n"
    "       gleam bench generate --csv ROWS [--seed N] FILE\n"
    "\n"
    "Writes English-like text whose words have Zipf's distribution, for `gleam bench wordcount`.\n"
    "The same options give the same bytes.  FILE - is standard output.\n"
    "With --csv: ROWS rows with two text columns, 82 bytes a row, some quoted.\n"
    "\n"
    "options\n"
    "  --csv ROWS            rows of CSV instead of text\n"
    "  --text SIZE           so many bytes: 300M, 1G (default: 1000000000)\n"
    "  --words N             so many distinct words (default: 1000000)\n"
    "  --seed N              another text for another number (default: 1)\n"
    "\n"
    "examples\n"
    "  gleam bench generate --text 1G --words 50000 words.txt\n"
    "  gleam bench generate --csv 7000000 rows.csv\n"
    "  gleam bench generate --text 10M - | wc -w\n";

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "gleam bench generate: %s: %s\n", what, why);
    return 2;
}

static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno != EINTR)
            return -errno;
        data += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

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
        rc = write_all(fd, buffer, bytes);
        bytes = 0;
    }
    return rc;
}

/* rows > 0: of CSV; else text of so many bytes. */
static int write_file(const char *path, uint64_t rows, uint64_t bytes, uint32_t words,
                      uint64_t seed)
{
    const int to_stdout = strcmp(path, "-") == 0;
    const int fd = to_stdout ? STDOUT_FILENO
                             : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = fd < 0     ? -errno
             : rows > 0 ? write_rows(fd, rows, seed)
                        : gm_bench_text(fd, bytes, words, seed);
    if (!to_stdout && fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 || (rc == -EPIPE && to_stdout))
        return 0;
    fprintf(stderr, "gleam bench generate: cannot write %s: %s\n", path, strerror(-rc));
    return 1;
}

int gm_cli_bench_generate(int argc, char **argv)
{
    uint64_t bytes = UINT64_C(1000000000), words = 1000000, seed = 1, rows = 0;
    const char *why = "";
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    const char *value = gm_cli_option(&argc, argv, "--text");
    if (value != NULL && gm_text_parse_size(value, &bytes, &why) < 0)
        return refuse("--text", why);
    value = gm_cli_option(&argc, argv, "--words");
    if (value != NULL && (gm_text_parse_u64(value, GM_BENCH_WORDS_MAX, &words, &why) < 0 ||
                          words == 0))
        return refuse("--words", "a number from 1 to 67108864");
    value = gm_cli_option(&argc, argv, "--csv");
    if (value != NULL &&
        (gm_text_parse_u64(value, UINT64_C(1) << 40, &rows, &why) < 0 || rows == 0))
        return refuse("--csv", "a number of rows");
    value = gm_cli_option(&argc, argv, "--seed");
    if (value != NULL && gm_text_parse_u64(value, UINT64_MAX, &seed, &why) < 0)
        return refuse("--seed", why);
    gm_cli_no_more_options(&argc, argv);
    if (argc != 2)
        return gm_cli_mistake(help);
    return write_file(argv[1], rows, bytes, (uint32_t)words, seed);
}
