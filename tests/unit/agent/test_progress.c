/* test_progress.c - goal: what a waiting person sees is true, fits the terminal, can be wiped, and
 * is silent where it should be.
 * Method: a region in memory whose ledger the test writes, a clock that it moves, and a stream that
 * it reads.
 */
#include "agent/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct gm_step steps[2];
static struct gm_chain_plan chains[2];
static struct gm_exchange_plan exchanges[2];
static struct gm_plan plan;
static struct gm_region region;
static struct gm_progress progress;
static char *text;
static size_t text_bytes, said_bytes;
static FILE *file;

static int setup(void **state)
{
    (void)state;
    const struct gm_region_spec spec = {
        .executor_count = 2,
        .exchange_count = 1,
        .exchanges = {{.to_driver = true, .quota_frames = 2, .ring_slots = 2}},
        .claim_count = 1,
        .frame_bytes = 4096,
    };
    struct gm_error error = {0};
    memset(chains, 0, sizeof chains);
    chains[0] = (struct gm_chain_plan){.steps = &steps[0], .step_count = 1};
    chains[1] = (struct gm_chain_plan){.steps = &steps[1], .step_count = 1, .exchange = 1};
    chains[1].source.kind = GM_SOURCE_EXCHANGE;
    snprintf(chains[0].source.name, sizeof chains[0].source.name, "text");
    snprintf(chains[1].source.name, sizeof chains[1].source.name, "exchange 0");
    snprintf(steps[0].name, sizeof steps[0].name, "count");
    snprintf(steps[1].name, sizeof steps[1].name, "sum");
    plan = (struct gm_plan){.chains = chains,
                            .chain_count = 2,
                            .exchanges = exchanges,
                            .exchange_count = 2,
                            .input_bytes = 100 << 20};
    file = open_memstream(&text, &text_bytes);
    said_bytes = 0;
    return file == NULL ? -1 : gm_region_create_private(&spec, &region, &error);
}

static int teardown(void **state)
{
    (void)state;
    gm_region_leave(&region);
    fclose(file);
    free(text);
    return 0;
}

static void read_bytes(uint32_t executor, uint64_t bytes)
{
    atomic_store(&gm_region_ledger(&region, executor)->input_bytes, bytes);
}

static void made_rows(uint32_t executor, uint32_t position, uint64_t rows)
{
    atomic_store(&gm_region_ledger(&region, executor)->rows[position], rows);
}

/* What was printed since the last call. */
static const char *said(void)
{
    static char copy[8192];
    fflush(file);
    snprintf(copy, sizeof copy, "%s", text + said_bytes);
    said_bytes = text_bytes;
    return copy;
}

static void a_terminal_is_redrawn_and_wiped(void **state)
{
    (void)state;
    gm_progress_init_on(&progress, &plan, file, 80, 24, S);
    read_bytes(0, 15 << 20);
    read_bytes(1, 10 << 20);
    made_rows(0, 0, 1000000);
    made_rows(1, 0, 234567);
    made_rows(1, 1, 77);
    made_rows(0, 4, 5);
    gm_progress_tick(&progress, &region, S + 1000); /* too early */
    assert_string_equal(said(), "");
    gm_progress_tick(&progress, &region, 2 * S);
    assert_string_equal(said(),
                        "\r\033[K 25 %  25.0 MiB of 100.0 MiB  25.0 MiB/s  3 s left"
                        "\n\r\033[K  0: text (1.23 M) > count (77)"
                        "\n\r\033[K  1: exchange 0 (0) > sum (5)\033[J\r\033[2A");
    gm_progress_tick(&progress, &region, 2 * S + 1); /* five times a second */
    assert_string_equal(said(), "");
    read_bytes(0, 90 << 20);
    gm_progress_tick(&progress, &region, 3 * S);
    const char *again = said();
    assert_non_null(strstr(again, "\r\033[K100 %"));
    assert_non_null(strstr(again, "finishing"));
    gm_progress_wipe(&progress);
    assert_string_equal(said(), "\r\033[J");
    gm_progress_wipe(&progress); /* nothing stands there any more */
    assert_string_equal(said(), "");
    gm_progress_tick(&progress, &region, 4 * S);
    assert_true(strncmp(said(), "\r\033[K100 %", 9) == 0);
    gm_progress_end(&progress);
    assert_string_equal(said(), "\r\033[J");
    gm_progress_tick(&progress, &region, 9 * S);
    assert_string_equal(said(), "");
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    snprintf(steps[0].name, sizeof steps[0].name, "\xc3\xa4\xc3\xb6\xc3\xbc\x1b[2J of names");
    gm_progress_init_on(&progress, &plan, file, 20, 24, S);
    gm_progress_tick(&progress, &region, 2 * S);
    const char *line = said();
    assert_non_null(strstr(line, "  0 %  0 B of 100.0\n"));
    assert_non_null(strstr(line, "  0: text (0) > \xc3\xa4\xc3\xb6\xc3\xbc\n")); /* 19 columns */
    gm_progress_end(&progress);
    said();
    gm_progress_init_on(&progress, &plan, file, 80, 24, S);
    gm_progress_tick(&progress, &region, 2 * S);
    assert_null(strstr(said(), "\033[2J"));
    gm_progress_end(&progress);
    said();
    gm_progress_init_on(&progress, &plan, file, 80, 3, S); /* room for one chain, and a line */
    gm_progress_tick(&progress, &region, 2 * S);
    line = said();
    assert_non_null(strstr(line, "  0: text"));
    assert_null(strstr(line, "  1: exchange"));
}

static void elsewhere_a_plain_line_now_and_then(void **state)
{
    (void)state;
    gm_progress_init_on(&progress, &plan, file, 0, 0, S);
    read_bytes(0, 50 << 20);
    gm_progress_tick(&progress, &region, 10 * S);
    assert_string_equal(said(), "");
    gm_progress_tick(&progress, &region, 11 * S);
    assert_string_equal(said(), "progress: 50 %  50.0 MiB of 100.0 MiB  5.0 MiB/s  10 s left\n");
    gm_progress_tick(&progress, &region, 20 * S);
    assert_string_equal(said(), "");
    read_bytes(0, 1 << 20);
    gm_progress_tick(&progress, &region, 21 * S);
    assert_non_null(strstr(said(), "progress: 1 %  1.0 MiB of 100.0 MiB  51.2 KiB/s  33 min 00 s"));
    gm_progress_wipe(&progress);
    gm_progress_end(&progress);
    assert_string_equal(said(), "");
}

static void what_nobody_knows_is_not_said(void **state)
{
    (void)state;
    plan.input_bytes = 0; /* a pipe, or numbers */
    gm_progress_init_on(&progress, &plan, file, 0, 0, S);
    made_rows(0, 0, 20000);
    gm_progress_tick(&progress, &region, 21 * S);
    assert_string_equal(said(), "progress: 20.0 k rows  1000 rows/s  20.00 s\n");
    read_bytes(1, 4096);
    gm_progress_tick(&progress, &region, 31 * S);
    assert_string_equal(said(), "progress: 20.0 k rows  4.0 KiB  666 rows/s  30.00 s\n");
}

static void quiet_is_quiet(void **state)
{
    (void)state;
    gm_progress_init(&progress, &plan, true, S);
    assert_null(progress.file);
    gm_progress_tick(&progress, &region, 100 * S);
    gm_progress_wipe(&progress);
    gm_progress_end(&progress);
}

static void plans_larger_than_the_ledger_show_what_is_known(void **state)
{
    (void)state;
    static struct gm_step many[GM_LEDGER_ROWS_MAX + 5];
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        snprintf(many[i].name, sizeof many[i].name, "s");
    chains[0].steps = many;
    chains[0].step_count = sizeof many / sizeof *many;
    gm_progress_init_on(&progress, &plan, file, 10000, 24, S);
    gm_progress_tick(&progress, &region, 2 * S);
    assert_non_null(strstr(said(), "  1: exchange 0 (?) > sum (?)"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_terminal_is_redrawn_and_wiped),
        TEST(lines_fit_the_terminal),
        TEST(elsewhere_a_plain_line_now_and_then),
        TEST(what_nobody_knows_is_not_said),
        TEST(quiet_is_quiet),
        TEST(plans_larger_than_the_ledger_show_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
