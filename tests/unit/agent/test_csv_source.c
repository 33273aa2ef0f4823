/* test_csv_source.c - goal: every row of every file comes exactly once, in the partition in which
 * its first byte lies and in order, however files are cut and reads are answered; errors name file
 * and line.
 * Method: files in memory on fake disks with random short reads in random order; several sources
 * share a region, as executors do; the rows of csv_reference.h are dealt to partitions by their
 * place.  Covers blocks.c, csv_parity.c and csv_error.c.
 */
#include "agent/csv_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/csv_error.h"
#include "engine/base/check.h"
#include "engine/flow/planner.h"
#include "tests/unit/agent/fake_disk.h"
#include "tests/unit/rounds.h"
#include "tests/unit/source/csv_reference.h"
#include "tests/unit/source/growing_text.h"

#define FILES_MAX 8
#define SOURCES_MAX 3
#define PARTITIONS_MAX 256
#define STEPS_MAX 3000000

static struct {
    char names[FILES_MAX][16];
    uint8_t *data[FILES_MAX];
    size_t bytes[FILES_MAX];
    bool stream[FILES_MAX];
    uint32_t file_count;
    struct gm_plan plan;
    struct gm_region region;
    struct gm_heap heap;
    struct fake_file fakes[FILES_MAX];
    struct fake_disk disks[SOURCES_MAX];
    struct gm_csv_source *sources[SOURCES_MAX];
    uint32_t source_count;
    struct gm_error error;
    uint64_t bad_rows, read_bytes;
    struct text got[PARTITIONS_MAX], wanted[PARTITIONS_MAX];
    uint32_t ends[PARTITIONS_MAX];
} world;

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) * limit >> 31);
}

/* ---- files and the plan ---------------------------------------------------------------------- */

static int sample(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                  bool *ret_whole, struct gm_error *error)
{
    (void)error;
    for (uint32_t i = 0; i < world.file_count; i++) {
        if (strcmp(world.names[i], file->path) != 0)
            continue;
        if (world.stream[i])
            return GM_AGAIN;
        *ret_bytes = world.bytes[i] < bytes_max ? world.bytes[i] : bytes_max;
        *ret_whole = *ret_bytes == world.bytes[i];
        memcpy(data, world.data[i], *ret_bytes);
    }
    return 0;
}

static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)path;
    (void)error;
    list->files = calloc(world.file_count, sizeof *list->files);
    assert_non_null(list->files);
    for (uint32_t i = 0; i < world.file_count; i++)
        list->files[i] = (struct gm_file){.path = strdup(world.names[i]),
                                          .bytes = world.stream[i] ? UINT64_MAX : world.bytes[i]};
    list->count = world.file_count;
    list->sample = sample;
    return 0;
}

static void add_file(const void *data, size_t bytes, bool stream)
{
    const uint32_t i = world.file_count++;
    snprintf(world.names[i], sizeof world.names[i], "file-%u", i);
    world.data[i] = malloc(bytes + 1);
    assert_non_null(world.data[i]);
    memcpy(world.data[i], data, bytes);
    world.bytes[i] = bytes;
    world.stream[i] = stream;
    world.fakes[i] = (struct fake_file){.path = world.names[i],
                                        .data = world.data[i],
                                        .bytes = bytes,
                                        .stream = stream,
                                        .fail_offset = -1};
}

static void make_plan(const struct gleam_csv_options *options, const char *columns,
                      uint32_t partitions)
{
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_read_csv(flow, "files", partitions, options);
    gleam_printf(gleam_as(rows, columns), "%v %v\n");
    const int rc = gm_planner_make(flow, 2, list_files, &world.plan);
    if (rc < 0)
        print_error("%s\n", gleam_flow_error(flow));
    assert_int_equal(rc, 0);
    gleam_flow_free(flow);
    assert_true(world.plan.chains[0].source.partition_count <= PARTITIONS_MAX);
}

/* ---- running --------------------------------------------------------------------------------- */

static void ring(void *self, uint16_t participant)
{
    (void)self;
    (void)participant;
}

static const struct gm_bell_ops bell_ops = {.name = "none", .ring = ring};
static const struct gm_bell bell = {.ops = &bell_ops};

static void open_sources(uint32_t count, uint64_t seed, uint64_t budget)
{
    struct gm_region_spec spec = {.executor_count = SOURCES_MAX,
                                  .exchange_count = 1,
                                  .exchanges = {{.quota_frames = 2, .ring_slots = 2}},
                                  .claim_count = 1,
                                  .word_count = gm_plan_word_count(&world.plan),
                                  .frame_bytes = GM_FRAME_BYTES_MIN};
    assert_int_equal(gm_region_create_private(&spec, &world.region, &world.error), 0);
    assert_int_equal(gm_heap_init(&world.heap, budget), 0);
    world.source_count = count;
    for (uint32_t i = 0; i < count; i++) {
        world.disks[i] = (struct fake_disk){.files = world.fakes,
                                            .file_count = world.file_count,
                                            .gentle = seed == 0,
                                            .seed = seed * 977 + i + 1};
        const struct gm_disk disk = fake_disk_port(&world.disks[i]);
        const struct gm_csv_source_spec source = {.source = &world.plan.chains[0].source,
                                                  .disk = &disk,
                                                  .region = &world.region,
                                                  .bell = &bell,
                                                  .participant = (uint16_t)i,
                                                  .claim = 0,
                                                  .heap = &world.heap,
                                                  .error = &world.error};
        assert_int_equal(gm_csv_source_create(&source, &world.sources[i]), 0);
    }
}

static void close_world(void)
{
    for (uint32_t i = 0; i < world.source_count; i++)
        gm_csv_source_destroy(world.sources[i]);
    assert_int_equal(world.heap.used_bytes, 0);
    gm_heap_fini(&world.heap);
    gm_region_leave(&world.region);
    gm_plan_fini(&world.plan);
    for (uint32_t i = 0; i < world.file_count; i++)
        free(world.data[i]);
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
        free(world.got[i].data);
        free(world.wanted[i].data);
    }
    memset(&world, 0, sizeof world);
}

static void append_value(struct text *text, const void *data, size_t bytes)
{
    append(text, data == NULL ? "~" : "=", 1);
    append(text, data, data == NULL ? 0 : bytes);
    append(text, "|", 1);
}

static void keep(const struct gm_batch *batch, uint32_t partition)
{
    assert_int_equal(batch->origin, partition);
    for (uint32_t row = 0; row < batch->row_count; row++) {
        for (uint32_t i = 0; i < batch->column_count; i++) {
            const struct gleam_value value = gm_vector_get(&batch->columns[i], row);
            char number[32];
            if (value.kind == GLEAM_I64)
                append_value(&world.got[partition], number,
                             (size_t)snprintf(number, sizeof number, "%lld",
                                              (long long)value.i64));
            else
                append_value(&world.got[partition],
                             value.kind == GLEAM_NULL ? NULL : value.bytes.data,
                             value.bytes.length);
        }
        append(&world.got[partition], "\n", 1);
    }
}

/* All sources round and round, in random turns.  Returns 0 or the first error. */
static int run_all(void)
{
    bool ended[SOURCES_MAX] = {false};
    uint32_t left = world.source_count;
    for (uint32_t step = 0; left > 0; step++) {
        assert_true(step < STEPS_MAX); /* it stands still */
        const uint32_t i = random_below(world.source_count);
        if (ended[i])
            continue;
        const struct gm_chain_source port = gm_csv_source_port(world.sources[i]);
        const struct gm_batch *batch = NULL;
        uint32_t partition = UINT32_MAX;
        const int rc = port.next(port.self, &batch, &partition);
        if (rc < 0)
            return rc;
        if (rc == 0)
            keep(batch, partition);
        if (rc == GM_PARTITION_END)
            world.ends[partition]++;
        ended[i] = rc == GM_END;
        left -= ended[i];
    }
    for (uint32_t i = 0; i < world.source_count; i++) {
        world.bad_rows += gm_csv_source_bad_rows(world.sources[i]);
        world.read_bytes += gm_csv_source_bytes(world.sources[i]);
    }
    return 0;
}

/* ---- what is right --------------------------------------------------------------------------- */

/* Rows of one file that begin in the segment. */
static void deal(const struct gm_segment *segment, const struct reference *reference, bool header,
                 struct text *text)
{
    const struct gm_csv_format *format = &world.plan.chains[0].source.csv->format;
    for (size_t i = header ? 1 : 0; i < reference->row_count; i++) {
        const struct reference_row *row = &reference->rows[i];
        if (row->bad || row->begin < segment->begin || row->begin >= segment->end)
            continue;
        for (uint32_t c = 0; c < format->column_count; c++) {
            const uint32_t field = format->columns[c].field;
            append_value(text, row->fields[field], row->lengths[field]);
        }
        append(text, "\n", 1);
    }
}

static void work_out(bool header)
{
    const struct gm_source *source = &world.plan.chains[0].source;
    struct gm_csv_format format = source->csv->format;
    struct reference references[FILES_MAX];
    format.has_nulls = false; /* all columns are bytes, in which an empty text is a text */
    for (uint32_t f = 0; f < world.file_count; f++)
        reference_parse(&format, world.data[f], world.bytes[f], &references[f]);
    for (uint32_t i = 0, p = 0; i < source->segment_count; i++) {
        while (source->partition_ends[p] <= i)
            p++;
        const struct gm_segment *segment = &source->segments[i];
        deal(segment, &references[segment->file], header, &world.wanted[p]);
    }
    for (uint32_t f = 0; f < world.file_count; f++)
        reference_free(&references[f]);
}

static void check_all(bool header)
{
    uint64_t bytes = 0;
    work_out(header);
    for (uint32_t i = 0; i < world.file_count; i++)
        bytes += world.bytes[i];
    assert_true(world.read_bytes == bytes);
    for (uint32_t p = 0; p < PARTITIONS_MAX; p++) {
        const struct text *got = &world.got[p], *wanted = &world.wanted[p];
        assert_int_equal(world.ends[p], p < world.plan.chains[0].source.partition_count);
        if (got->length == wanted->length &&
            (got->length == 0 || memcmp(got->data, wanted->data, got->length) == 0))
            continue;
        print_error("partition %u: got %zu bytes, wanted %zu\n", p, got->length, wanted->length);
        print_error("got <%.300s>\nwanted <%.300s>\n", got->data, wanted->data);
        fail();
    }
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* Two fields a row, a quarter of them quoted, with line ends and quotes inside. */
static size_t random_rows(uint8_t *text, size_t bytes, bool bad_ones)
{
    size_t at = 0;
    while (at + 80 < bytes) {
        for (int field = 0; field < 2; field++) {
            const bool quoted = random_below(4) == 0;
            if (quoted)
                text[at++] = '"';
            for (uint32_t n = random_below(12); n > 0; n--) {
                const uint32_t pick = random_below(16);
                if (quoted && pick == 0) {
                    text[at++] = '"';
                    text[at++] = '"';
                } else {
                    text[at++] = quoted && pick == 1 ? '\n' : (uint8_t)('a' + pick);
                }
            }
            if (quoted)
                text[at++] = '"';
            text[at++] = field == 0 ? ',' : '\n';
        }
        if (bad_ones && random_below(20) == 0)
            at += (size_t)sprintf((char *)text + at, "%s",
                                  random_below(2) ? "x\n" : "\"a\"b,\"\n");
    }
    return at;
}

static void run_case(uint32_t seed, bool bad_ones, bool big)
{
    const size_t most = big ? (3u << 20) : 40000;
    const struct gleam_csv_options options = {
        .header = seed % 2, .on_error = bad_ones ? GLEAM_CSV_SKIP : GLEAM_CSV_FAIL};
    random_state = seed;
    const uint32_t files = 1 + random_below(big ? 2 : FILES_MAX);
    for (uint32_t i = 0; i < files; i++) {
        uint8_t *text = malloc(most + 100);
        assert_non_null(text);
        size_t at = seed % 2 ? (size_t)sprintf((char *)text, "first,\"sec\nond\"\n") : 0;
        at += random_rows(text + at, big ? most - 20 : 100 + random_below(most - 200), bad_ones);
        add_file(text, at, seed % 3 == 0 && random_below(3) == 0 && i > 0);
        free(text);
    }
    make_plan(&options, seed % 2 ? "sec_ond bytes, first bytes" : "a bytes, b bytes",
              random_below(3) == 0 ? 0 : 1 + random_below(big ? 3 : 60));
    open_sources(1 + random_below(SOURCES_MAX), seed % 4 == 0 ? 0 : seed, UINT64_MAX);
    assert_int_equal(run_all(), 0);
    check_all(seed % 2);
    close_world();
}

static void every_row_comes_once_in_its_partition(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= rounds(150); seed++)
        run_case(seed, seed % 5 == 0, false);
    for (uint32_t seed = 1; seed <= rounds(12); seed++)
        run_case(seed, false, true);
}

static void records_longer_than_blocks_and_splits(void **state)
{
    const size_t lengths[] = {70000, 300000, 2500000, 10, 66000};
    size_t at = 0;
    uint8_t *text = malloc(8u << 20);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        at += (size_t)sprintf((char *)text + at, "short,\"row\"\n\"");
        for (size_t n = 0; n < lengths[i]; n++)
            text[at++] = n % 50 == 0 ? '\n' : (uint8_t)('a' + n % 26);
        at += (size_t)sprintf((char *)text + at, "\"\"\",end\n");
    }
    for (uint32_t partitions = 0; partitions < 40; partitions += 13) {
        add_file(text, at, partitions == 13);
        make_plan(NULL, "a bytes, b bytes", partitions);
        open_sources(2, partitions, UINT64_MAX);
        assert_int_equal(run_all(), 0);
        check_all(false);
        close_world();
    }
    free(text);
}

static void values_that_are_none_leave_their_row_out(void **state)
{
    static const char text[] = "1,a\nx,b\n3,c\n,d\n";
    const struct gleam_csv_options skip = {.on_error = GLEAM_CSV_SKIP};
    const struct gleam_csv_options null = {.on_error = GLEAM_CSV_NULL};
    (void)state;
    add_file(text, sizeof text - 1, false);
    make_plan(&skip, "n i64, t bytes", 1);
    open_sources(1, 0, UINT64_MAX);
    assert_int_equal(run_all(), 0);
    assert_string_equal(world.got[0].data, "=1|=a|\n=3|=c|\n~|=d|\n");
    assert_int_equal(world.bad_rows, 1);
    close_world();
    add_file(text, sizeof text - 1, false);
    make_plan(&null, "n i64, t bytes", 1);
    open_sources(1, 0, UINT64_MAX);
    assert_int_equal(run_all(), 0);
    assert_string_equal(world.got[0].data, "=1|=a|\n~|=b|\n=3|=c|\n~|=d|\n");
    assert_int_equal(world.bad_rows, 1);
    close_world();
}

static void errors_name_file_and_line(void **state)
{
    static const char text[] = "1,\"a\nb\"\n2,c\n3\n";
    (void)state;
    /* The file is read again to count its lines: it has to be there. */
    char path[] = "/tmp/gleam-csv-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(gm_csv_line_at(path, 0), 1);
    assert_int_equal(gm_csv_line_at(path, 12), 4);
    assert_int_equal(gm_csv_line_at("/no/such/file", 12), 0);
    unlink(path);
    for (int stream = 0; stream < 2; stream++) {
        add_file(text, sizeof text - 1, stream);
        make_plan(NULL, "n i64, t bytes", 1);
        open_sources(1, 3, UINT64_MAX);
        assert_int_equal(run_all(), GM_EJOB_INPUT);
        assert_non_null(strstr(world.error.text, stream ? "file-0:4: the row has 1 field,"
                                                        : "file-0: the row has 1 field,"));
        assert_non_null(strstr(world.error.text, "have 2: 3;"));
        close_world();
    }
}

static void a_disk_that_fails_fails_the_job(void **state)
{
    (void)state;
    add_file("a,b\nc,d\n", 8, false);
    world.fakes[0].fail_offset = 0;
    make_plan(NULL, "n bytes, t bytes", 1);
    open_sources(1, 0, UINT64_MAX);
    assert_int_equal(run_all(), GM_EJOB_INPUT);
    assert_non_null(strstr(world.error.text, "cannot read file-0"));
    close_world();
    add_file("a,b\nc,d\n", 8, false);
    make_plan(NULL, "n bytes, t bytes", 1);
    world.fakes[0].bytes = 5;
    open_sources(1, 0, UINT64_MAX);
    assert_int_equal(run_all(), GM_EJOB_INPUT);
    assert_non_null(strstr(world.error.text, "became shorter"));
    close_world();
}

static void a_record_that_does_not_fit_the_memory(void **state)
{
    const size_t bytes = 9u << 20;
    char *text = malloc(bytes);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', bytes);
    memcpy(text, "a,b\nc,\"", 7);
    add_file(text, bytes, true);
    make_plan(NULL, "a bytes, b bytes", 1);
    open_sources(1, 0, 7u << 20);
    assert_int_equal(run_all(), GM_ETASK_MEMORY);
    assert_non_null(strstr(world.error.text, "file-0:2:"));
    assert_non_null(strstr(world.error.text, "is a quote not closed"));
    close_world();
    free(text);
}

static void another_header_is_refused(void **state)
{
    const struct gleam_csv_options options = {.header = true};
    (void)state;
    add_file("a,b\n1,2\n", 8, false);
    add_file("b,a\n1,2\n", 8, false);
    make_plan(&options, "a bytes, b bytes", 0);
    open_sources(1, 0, UINT64_MAX);
    assert_int_equal(run_all(), GM_EJOB_INPUT);
    assert_non_null(strstr(world.error.text, "file-1:1: the header is not that of file-0"));
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_once_in_its_partition),
        cmocka_unit_test(records_longer_than_blocks_and_splits),
        cmocka_unit_test(values_that_are_none_leave_their_row_out),
        cmocka_unit_test(errors_name_file_and_line),
        cmocka_unit_test(a_disk_that_fails_fails_the_job),
        cmocka_unit_test(a_record_that_does_not_fit_the_memory),
        cmocka_unit_test(another_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
