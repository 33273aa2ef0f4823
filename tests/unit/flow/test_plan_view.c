/* test_plan_view.c - goal: text, graph and picture of a plan say the same and stay well-formed,
 * whatever bytes the names hold.
 * Method: small plans made by hand, golden lines, and a look at every byte of the output.  Covers
 * plan_dot.c and plan_svg.c.
 */
#include "engine/flow/plan_view.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"

/* ints -> map -> hash -> reduce -> output, all in static tables. */
static struct gm_step steps[2];
static struct gm_chain_plan chains[2];
static struct gm_exchange_plan exchanges[2];
static struct gm_plan plan;

static struct gm_input input; /* of exchange 0 */

static void make(const char *name)
{
    memset(steps, 0, sizeof steps);
    memset(chains, 0, sizeof chains);
    memset(exchanges, 0, sizeof exchanges);
    plan = (struct gm_plan){
        .chains = chains, .chain_count = 2, .exchanges = exchanges, .exchange_count = 2};
    snprintf(plan.name, sizeof plan.name, "%s", name);
    chains[0].source = (struct gm_source){
        .kind = GM_SOURCE_INTS, .from = 0, .to = 9, .partition_count = 3};
    steps[0].kind = GM_STEP_MAPPER;
    steps[1].kind = GM_STEP_REDUCE;
    for (int i = 0; i < 2; i++) {
        snprintf(steps[i].name, sizeof steps[i].name, "%s", name);
        snprintf(steps[i].where, sizeof steps[i].where, "flow.c:%d", 10 + i);
        snprintf(steps[i].function, sizeof steps[i].function, "twice");
        steps[i].order = gleam_order_by(1, true);
    }
    chains[0].steps = &steps[0];
    chains[1].steps = &steps[1];
    chains[0].step_count = chains[1].step_count = 1;
    chains[1].source = (struct gm_source){
        .kind = GM_SOURCE_EXCHANGE, .partition_count = 2, .inputs = &input, .input_count = 1};
    for (int i = 0; i < 2; i++) {
        gm_schema_add(&chains[i].source.schema, "n", GLEAM_I64, false);
        steps[i].schema = chains[i].source.schema;
    }
    chains[1].exchange = 1;
    exchanges[0] = (struct gm_exchange_plan){
        .kind = GM_EXCHANGE_HASH, .partition_count = 2, .keys = gleam_order_by(1, true)};
    exchanges[1] = (struct gm_exchange_plan){.kind = GM_EXCHANGE_OUTPUT, .partition_count = 1};
}

static char *shown(enum gm_plan_form form, const struct gm_plan_notes *notes)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    assert_int_equal(gm_plan_show(&plan, 2, form, notes, file), 0);
    fclose(file);
    assert_int_equal(strlen(text), bytes);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void forms_have_names(void **state)
{
    (void)state;
    enum gm_plan_form form = GM_PLAN_TEXT;
    assert_int_equal(gm_plan_form_parse("svg", &form), 0);
    assert_int_equal(form, GM_PLAN_SVG);
    assert_int_equal(gm_plan_form_parse("dot", &form), 0);
    assert_int_equal(form, GM_PLAN_DOT);
    assert_int_equal(gm_plan_form_parse("text", &form), 0);
    assert_int_equal(form, GM_PLAN_TEXT);
    assert_int_equal(gm_plan_form_parse("", &form), -EINVAL);
    assert_int_equal(gm_plan_form_parse("SVG", &form), -EINVAL);
}

static void a_line_is_taken_apart(void **state)
{
    (void)state;
    struct gm_plan_line line;
    make("a -> b   # c");
    assert_int_equal(gm_plan_line_make(&plan, 0, 1, &line), 0);
    assert_string_equal(line.label, "map 'a -> b   # c' with function twice");
    assert_string_equal(line.schema, "(n i64)");
    assert_string_equal(line.where, "flow.c:10");
    gm_plan_line_fini(&line);
    assert_int_equal(gm_plan_line_make(&plan, 0, 0, &line), 0);
    assert_string_equal(line.label, "ints 0..9, 3 partitions");
    gm_plan_line_fini(&line);
    assert_int_equal(gm_plan_line_make(&plan, 0, 2, &line), 0);
    assert_string_equal(line.label, "exchange 0: hash of column 1 to 2 partitions");
    assert_string_equal(line.schema, "");
    gm_plan_line_fini(&line);
}

static void positions_and_edges(void **state)
{
    (void)state;
    make("x");
    assert_int_equal(gm_plan_positions(&plan), 6);
    assert_int_equal(gm_plan_position(&plan, 1), 3);
    assert_true(gm_plan_feeds(&plan, 0, 1));
    assert_false(gm_plan_feeds(&plan, 1, 1));
    assert_false(gm_plan_feeds(&plan, 0, 0));
}

static const struct gm_plan_note noted[6] = {
    {.rows = 100, .rows_max = 75, .bytes = 800, .ns = 250}, {.rows = 1, .rows_max = 1, .ns = 750},
};

static void notes_become_shares_and_skew(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    char text[160];
    make("x");
    assert_true(gm_plan_time_share(&plan, &notes, 1) == 0.75);
    assert_true(gm_plan_skew(&notes, 0) == 1.5);
    assert_true(gm_plan_skew(&notes, 2) == 0);
    gm_plan_note_format(&plan, &notes, 0, text, sizeof text);
    assert_string_equal(text, "100 rows, 800 B, 25.0 % of the time, skew 1.50");
    gm_plan_note_format(&plan, &notes, 1, text, sizeof text);
    assert_string_equal(text, "1 row, 0 B, 75.0 % of the time, skew 2.00");
    gm_plan_note_format(&plan, &notes, 2, text, sizeof text);
    assert_string_equal(text, "0 rows, 0 B, 0.0 % of the time");
}

static void the_text_with_notes_is_a_table(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    make("x");
    char *text = shown(GM_PLAN_TEXT, &notes);
    expect(text, "flow 'x': 2 chains, 2 executors\n");
    expect(text, "      rows out   bytes out     time    skew\nchain 0\n");
    expect(text, "           100       800 B   25.0 %    1.50  ints 0..9, 3 partitions -> "
                 "(n i64)\n");
    expect(text, "             0         0 B    0.0 %       -  => exchange 0: hash");
    free(text);
    text = shown(GM_PLAN_TEXT, NULL);
    expect(text, "  map 'x' with function twice -> (n i64)   # flow.c:10\n");
    free(text);
}

static void a_graph_has_its_nodes_and_edges(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    make("say \"a\\b\"\n");
    char *text = shown(GM_PLAN_DOT, &notes);
    expect(text, "label=\"say \\\"a\\\\b\\\" , 2 executors\"");
    expect(text, "chain0 [label=\"chain 0\\lints 0..9, 3 partitions\\l    -> (n i64)\\l    "
                 "100 rows");
    expect(text, "chain0 -> chain1 [label=\"exchange 0: hash of column 1 to 2 partitions\\n");
    expect(text, "chain1 -> output0 [label=");
    free(text);
}

/* Every < opens a known element, every & a known entity, and every byte is a character of XML. */
static void check_xml(const char *text)
{
    int depth = 0;
    for (const char *at = text; *at != '\0'; at += gm_utf8_bytes(at)) {
        assert_true(gm_utf8_bytes(at) > 0);
        assert_true((unsigned char)*at >= 0x20 || *at == '\n');
        if (*at == '&')
            assert_true(strncmp(at, "&lt;", 4) == 0 || strncmp(at, "&gt;", 4) == 0 ||
                        strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&quot;", 6) == 0);
        if (*at != '<' || at[1] == '?')
            continue;
        const char *end = strchr(at, '>');
        assert_non_null(end);
        depth += at[1] == '/' ? -1 : end[-1] == '/' ? 0 : 1;
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
}

static void a_picture_survives_every_byte(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    for (unsigned first = 1; first < 256; first++) {
        const char name[] = {(char)first, 'x', '<', '&', (char)first, '"', '>', '\0'};
        make(name);
        char *text = shown(GM_PLAN_SVG, first % 2 == 0 ? &notes : NULL);
        check_xml(text);
        free(text);
    }
    make("no \xef\xbf\xbf, no \xef\xbf\xbe"); /* characters, but not of XML */
    char *text = shown(GM_PLAN_SVG, NULL);
    check_xml(text);
    assert_null(strstr(text, "\xef\xbf\xbf"));
    assert_null(strstr(text, "\xef\xbf\xbe"));
    free(text);
}

static void a_picture_shows_every_step(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    make("a step whose name is too long for one line of a box, so it is broken");
    char *text = shown(GM_PLAN_SVG, &notes);
    expect(text, ">chain 0</text>");
    expect(text, ">ints 0..9, 3 partitions</text>");
    expect(text, ">output 0</text>");
    expect(text, ">exchange 0: hash of column 1 to 2 partitions</text>");
    expect(text, ">100 rows, 800 B, 25.0 % of the time, skew 1.50</text>");
    expect(text, "class=\"share\"");
    free(text);
}

static void a_comma_for_a_point_changes_nothing(void **state)
{
    (void)state;
    const struct gm_plan_notes notes = {.notes = noted, .executor_count = 2};
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL)
        skip();
    make("x");
    char *text = shown(GM_PLAN_SVG, &notes);
    expect(text, "25.0 % of the time, skew 1.50");
    free(text);
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_have_names),
        cmocka_unit_test(a_line_is_taken_apart),
        cmocka_unit_test(positions_and_edges),
        cmocka_unit_test(notes_become_shares_and_skew),
        cmocka_unit_test(the_text_with_notes_is_a_table),
        cmocka_unit_test(a_graph_has_its_nodes_and_edges),
        cmocka_unit_test(a_picture_survives_every_byte),
        cmocka_unit_test(a_picture_shows_every_step),
        cmocka_unit_test(a_comma_for_a_point_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
