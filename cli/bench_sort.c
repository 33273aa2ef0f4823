/* bench_sort.c - `gleam bench sort` and `gleam bench validate`: records of 100 bytes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/driver.h"
#include "benchmarks/suite/records.h"
#include "cli/cli.h"
#include "engine/base/text.h"
#include "engine/gleam.h"

static const char sort_help[] =
    "usage: gleam bench sort [run options] IN OUT\n"
    "\n"
    "Sorts records of 100 bytes, as `gleam bench generate --records` writes them, by their first\n"
    "10 bytes; prints to standard error how fast it went.  `gleam --help` lists the run options.\n"
    "\n"
    "examples\n"
    "  gleam bench sort --cores 0,1 --memory 200M records.bin sorted.bin\n"
    "  gleam bench sort --plan records.bin sorted.bin\n";

static const char validate_help[] =
    "usage: gleam bench validate [--of FILE] SORTED\n"
    "\n"
    "Says how many records of 100 bytes a file has, whether they are in order, and a checksum\n"
    "that is the same for any order.\n"
    "\n"
    "options\n"
    "  --of FILE             they must be the records of FILE\n"
    "\n"
    "exit status\n"
    "  0                     they are in order, and those of FILE\n"
    "  1                     they are not in order, or others, or cannot be read\n"
    "  2                     wrong arguments\n"
    "\n"
    "examples\n"
    "  gleam bench validate --of records.bin sorted.bin\n";

static void print_speed(const struct gm_plan *plan, const struct gm_job_report *report)
{
    (void)plan;
    const uint64_t bytes = report->counts.chains[0].source_bytes;
    const double seconds = (double)report->elapsed_ns / 1e9;
    const double speed = (double)bytes / 1e6 / seconds;
    char input[32], spilled[32], memory[32];
    gm_text_format_size(bytes, input, sizeof input);
    gm_text_format_size(report->counts.spilled_bytes, spilled, sizeof spilled);
    gm_text_format_size(report->heap_peak_bytes + report->region_bytes, memory, sizeof memory);
    fprintf(stderr,
            "%s, %" PRIu64 " records, in %.3f s: %.0f MB/s, %.0f MB/s per executor; %s spilled, %s "
            "of memory\n",
            input, report->counts.chains[0].source_rows, seconds, speed,
            speed / report->executor_count, spilled, memory);
}

int gm_cli_bench_sort(int argc, char **argv)
{
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(sort_help, stdout);
        return 0;
    }
    gm_cli_no_more_options(&argc, argv);
    if (argc != 3)
        return gm_cli_mistake(sort_help);
    struct gleam_flow *flow = gleam_flow_new("sort");
    struct gleam_dataset *records =
        gleam_read_records(flow, argv[1], GM_RECORD_KEY_BYTES,
                           GM_RECORD_BYTES - GM_RECORD_KEY_BYTES, 0);
    records = gleam_sort(records, "sort", gleam_order_by(1, true));
    gleam_write_formatted(records, argv[2], "%s%s");
    return gm_cli_measure(flow, print_speed);
}

static int check_file(const char *path, struct gm_records_facts *ret_facts)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : gm_records_check(fd, ret_facts);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && ret_facts->rest_bytes > 0) {
        fprintf(stderr, "gleam bench validate: %s ends with %" PRIu64 " bytes of a record\n", path,
                ret_facts->rest_bytes);
        return -EINVAL;
    }
    if (rc < 0)
        fprintf(stderr, "gleam bench validate: cannot read %s: %s\n", path, strerror(-rc));
    return rc;
}

int gm_cli_bench_validate(int argc, char **argv)
{
    struct gm_records_facts facts, original;
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(validate_help, stdout);
        return 0;
    }
    const char *of = gm_cli_option(&argc, argv, "--of");
    gm_cli_no_more_options(&argc, argv);
    if (argc != 2)
        return gm_cli_mistake(validate_help);
    if (check_file(argv[1], &facts) < 0 || (of != NULL && check_file(of, &original) < 0))
        return 1;
    printf("%" PRIu64 " records, %" PRIu64 " of them with the key of the one before, checksum "
           "%016" PRIx64 "%016" PRIx64 "\n",
           facts.count, facts.duplicates, facts.checksum[1], facts.checksum[0]);
    if (facts.disordered > 0)
        printf("%s is not in order: %" PRIu64 " records are less than the one before, the first is "
               "number %" PRIu64 "\n",
               argv[1], facts.disordered, facts.first_disorder);
    const bool others = of != NULL && (original.count != facts.count ||
                                       original.checksum[0] != facts.checksum[0] ||
                                       original.checksum[1] != facts.checksum[1]);
    if (others)
        printf("%s has other records than %s, which has %" PRIu64 "\n", argv[1], of,
               original.count);
    return facts.disordered > 0 || others;
}
