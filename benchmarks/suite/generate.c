/* generate.c - gleam-generate: writes a benchmark text to a file.
 *
 *   gleam-generate [--text SIZE] [--words N] [--seed N] FILE
 *
 * SIZE takes the suffixes k, M, G and KiB, MiB, GiB.  Defaults: 1G, 1000000,
 * 1.  FILE - is stdout. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "benchmarks/suite/text.h"

static const char usage[] = "usage: gleam-generate [--text SIZE] [--words N] [--seed N] FILE\n";

/* Returns 0 or -EINVAL. */
static int parse_size(const char *text, uint64_t *ret_size)
{
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = {{"", 1},        {"k", 1000},       {"M", 1000000},     {"G", 1000000000},
                 {"KiB", 1024},  {"MiB", 1 << 20},  {"GiB", 1 << 30}};
    char *suffix;
    errno = 0;
    unsigned long long value = strtoull(text, &suffix, 10);
    if (errno || suffix == text || *text == '-')
        return -EINVAL;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(suffix, units[i].suffix) == 0 && value <= UINT64_MAX / units[i].factor) {
            *ret_size = value * units[i].factor;
            return 0;
        }
    return -EINVAL;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "gleam-generate: %s: %s\n", what, why);
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t bytes = 1000000000, words = 1000000, seed = 1;
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        uint64_t *target = strcmp(argv[at], "--text") == 0    ? &bytes
                           : strcmp(argv[at], "--words") == 0 ? &words
                           : strcmp(argv[at], "--seed") == 0  ? &seed
                                                              : NULL;
        if (!target)
            return fail(argv[at], "no such option"), fputs(usage, stderr), 2;
        if (parse_size(argv[at + 1], target) < 0)
            return fail(argv[at + 1], "not a size or number"), 2;
    }
    if (at + 1 != argc)
        return fputs(usage, stderr), 2;
    if (words < 1 || words > GM_BENCH_WORDS_MAX)
        return fail("--words", "must be from 1 to 67108864"), 2;

    const char *path = argv[at];
    int fd = strcmp(path, "-") == 0 ? STDOUT_FILENO
                                    : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(path, strerror(errno));
    double start = now_seconds();
    int rc = gm_bench_text(fd, bytes, (uint32_t)words, seed);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc < 0)
        return fail(path, strerror(-rc));
    double seconds = now_seconds() - start;
    fprintf(stderr, "%llu bytes in %.2f s, %.0f MB/s\n", (unsigned long long)bytes, seconds,
            (double)bytes / 1e6 / seconds);
    return 0;
}
