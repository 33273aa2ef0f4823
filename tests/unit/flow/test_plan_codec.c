/* test_plan_codec.c
 * Goal:   a plan comes out of its bytes as it went in; bytes that are no plan are refused, never
 *         followed.
 * Method: random plans there and back, field by field and byte by byte; every truncation; random
 *         changes, after which a plan that is accepted must have the bytes it came from.
 */
#include "engine/flow/plan_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/flow/random_plan.h"

static void assert_schema_equal(const struct gm_schema *a, const struct gm_schema *b)
{
    assert_int_equal(a->field_count, b->field_count);
    for (uint32_t i = 0; i < a->field_count; i++) {
        assert_string_equal(a->fields[i].name, b->fields[i].name);
        assert_int_equal(a->fields[i].kind, b->fields[i].kind);
        assert_int_equal(a->fields[i].nullable, b->fields[i].nullable);
    }
}

static void assert_order_equal(const struct gleam_order *a, const struct gleam_order *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->columns[i].column, b->columns[i].column);
        assert_int_equal(a->columns[i].ascending, b->columns[i].ascending);
    }
}

static void assert_source_equal(const struct gm_source *a, const struct gm_source *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_schema_equal(&a->schema, &b->schema);
    assert_int_equal(a->partition_count, b->partition_count);
    assert_int_equal(a->tokenize, b->tokenize);
    assert_int_equal(a->blocks, b->blocks);
    assert_int_equal(a->counted, b->counted);
    assert_string_equal(a->tokenize_name, b->tokenize_name);
    assert_int_equal(a->file_count, b->file_count);
    for (uint32_t i = 0; i < a->file_count; i++) {
        assert_string_equal(a->files[i].path, b->files[i].path);
        assert_true(a->files[i].bytes == b->files[i].bytes);
        assert_int_equal(a->files[i].command, b->files[i].command);
    }
    assert_int_equal(a->segment_count, b->segment_count);
    for (uint32_t i = 0; i < a->segment_count; i++) {
        assert_int_equal(a->segments[i].file, b->segments[i].file);
        assert_true(a->segments[i].begin == b->segments[i].begin);
        assert_true(a->segments[i].end == b->segments[i].end);
    }
    if (a->kind == GM_SOURCE_CSV)
        assert_memory_equal(a->csv, b->csv, sizeof *a->csv);
    for (uint32_t i = 0; gm_source_has_files(a) && i < a->partition_count; i++)
        assert_int_equal(a->partition_ends[i], b->partition_ends[i]);
    assert_int_equal(a->string_count, b->string_count);
    for (uint32_t i = 0; i < a->string_count; i++) {
        assert_int_equal(a->strings[i].bytes, b->strings[i].bytes);
        assert_memory_equal(a->strings[i].data, b->strings[i].data, a->strings[i].bytes);
    }
    assert_int_equal(a->command_word, b->command_word);
    assert_true(a->from == b->from && a->to == b->to);
    assert_int_equal(a->input_count, b->input_count);
    for (uint32_t i = 0; i < a->input_count; i++) {
        assert_int_equal(a->inputs[i].exchange, b->inputs[i].exchange);
        assert_schema_equal(&a->inputs[i].schema, &b->inputs[i].schema);
    }
}

static void assert_optional_equal(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void assert_step_equal(const struct gm_step *a, const struct gm_step *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->where, b->where);
    assert_schema_equal(&a->schema, &b->schema);
    assert_order_equal(&a->order, &b->order);
    assert_true(a->count == b->count && a->offset == b->offset);
    assert_int_equal(a->stops_source, b->stops_source);
    assert_int_equal(a->reduce, b->reduce);
    assert_int_equal(a->lua_mode, b->lua_mode);
    assert_string_equal(a->function, b->function);
    assert_optional_equal(a->library, b->library);
    assert_int_equal(a->parameter_bytes, b->parameter_bytes);
    if (a->parameter_bytes > 0)
        assert_memory_equal(a->parameter, b->parameter, a->parameter_bytes);
    assert_string_equal(a->format, b->format);
    assert_int_equal(a->comparison, b->comparison);
    assert_int_equal(a->join, b->join);
    assert_order_equal(&a->right_keys, &b->right_keys);
    assert_int_equal(a->tagged, b->tagged);
    assert_int_equal(a->seeks_first, b->seeks_first);
    assert_true(a->seed == b->seed);
    assert_string_equal(a->note, b->note);
    assert_int_equal(a->write == NULL, b->write == NULL);
    if (a->write != NULL)
        assert_memory_equal(a->write, b->write, sizeof *a->write);
}

static void assert_scope_equal(const struct gm_plan_scope *a, const struct gm_plan_scope *b)
{
    assert_string_equal(a->name, b->name);
    assert_optional_equal(a->lua_init, b->lua_init);
    assert_int_equal(a->broadcast_count, b->broadcast_count);
    for (uint32_t i = 0; i < a->broadcast_count; i++) {
        assert_int_equal(a->broadcasts[i].bytes, b->broadcasts[i].bytes);
        assert_memory_equal(a->broadcasts[i].data, b->broadcasts[i].data, a->broadcasts[i].bytes);
    }
}

static void assert_plan_equal(const struct gm_plan *a, const struct gm_plan *b)
{
    assert_string_equal(a->name, b->name);
    assert_true(a->input_bytes == b->input_bytes);
    assert_int_equal(a->scope_count, b->scope_count);
    for (uint32_t i = 0; i < a->scope_count; i++)
        assert_scope_equal(&a->scopes[i], &b->scopes[i]);
    assert_int_equal(a->kept_count, b->kept_count);
    for (uint32_t i = 0; i < a->kept_count; i++)
        assert_true(a->kept[i] == b->kept[i]);
    assert_int_equal(a->chain_count, b->chain_count);
    for (uint32_t c = 0; c < a->chain_count; c++) {
        assert_source_equal(&a->chains[c].source, &b->chains[c].source);
        assert_int_equal(a->chains[c].claim, b->chains[c].claim);
        assert_int_equal(a->chains[c].scope, b->chains[c].scope);
        assert_int_equal(a->chains[c].exchange, b->chains[c].exchange);
        assert_int_equal(a->chains[c].step_count, b->chains[c].step_count);
        for (uint32_t s = 0; s < a->chains[c].step_count; s++)
            assert_step_equal(&a->chains[c].steps[s], &b->chains[c].steps[s]);
    }
    assert_int_equal(a->exchange_count, b->exchange_count);
    for (uint32_t e = 0; e < a->exchange_count; e++) {
        assert_int_equal(a->exchanges[e].kind, b->exchanges[e].kind);
        assert_schema_equal(&a->exchanges[e].schema, &b->exchanges[e].schema);
        assert_int_equal(a->exchanges[e].partition_count, b->exchanges[e].partition_count);
        assert_order_equal(&a->exchanges[e].keys, &b->exchanges[e].keys);
        assert_int_equal(a->exchanges[e].tagged, b->exchanges[e].tagged);
        assert_int_equal(a->exchanges[e].output, b->exchanges[e].output);
        assert_int_equal(a->exchanges[e].parts == NULL, b->exchanges[e].parts == NULL);
        if (a->exchanges[e].parts != NULL)
            assert_memory_equal(a->exchanges[e].parts, b->exchanges[e].parts,
                                sizeof *a->exchanges[e].parts);
        assert_int_equal(a->exchanges[e].placed == NULL, b->exchanges[e].placed == NULL);
        if (a->exchanges[e].placed != NULL)
            assert_memory_equal(a->exchanges[e].placed, b->exchanges[e].placed,
                                sizeof *a->exchanges[e].placed);
    }
}

static void plans_come_out_as_they_went_in(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 300; run++) {
        struct gm_plan plan, back;
        struct gm_error error = {0};
        uint8_t *data;
        size_t bytes;
        random_plan(&random, &plan);
        assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
        if (gm_plan_decode(data, bytes, &back, &error) != 0)
            fail_msg("run %u: %s", run, error.text);
        assert_plan_equal(&back, &plan);
        gm_plan_fini(&back);
        gm_plan_fini(&plan);
        free(data);
    }
}

static void cut_off_plans_are_refused(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t run = 0; run < 5; run++) {
        struct gm_plan plan, back = {.chain_count = 77};
        uint8_t *data;
        size_t bytes;
        random_plan(&random, &plan);
        assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
        for (size_t cut = 0; cut < bytes; cut += 1 + cut / 200) {
            struct gm_error error = {0};
            uint8_t *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact, data, cut);
            assert_int_equal(gm_plan_decode(exact, cut, &back, &error), GM_EPEER_PROTOCOL);
            assert_int_equal(back.chain_count, 77);
            assert_non_null(strstr(error.text, "makes no sense"));
            free(exact);
        }
        /* Nor may anything stand behind it. */
        data = realloc(data, bytes + 1);
        assert_non_null(data);
        data[bytes] = 0;
        assert_int_equal(gm_plan_decode(data, bytes + 1, &back, NULL), GM_EPEER_PROTOCOL);
        gm_plan_fini(&plan);
        free(data);
    }
}

static void changed_plans_are_refused_or_whole(void **state)
{
    (void)state;
    uint64_t random = 3;
    uint32_t accepted = 0, refused = 0;
    for (uint32_t run = 0; run < 3000; run++) {
        struct gm_plan plan, back;
        struct gm_error error = {0};
        uint8_t *data, *again;
        size_t bytes, again_bytes;
        random_plan(&random, &plan);
        assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
        for (uint32_t i = 0; i <= random_below(&random, 3); i++)
            data[random_below(&random, (uint32_t)bytes)] =
                (uint8_t)(random_below(&random, 2) ? random_next(&random)
                                                   : random_below(&random, 9));
        if (gm_plan_decode(data, bytes, &back, &error) == 0) {
            accepted++;
            assert_int_equal(gm_plan_encode(&back, &again, &again_bytes), 0);
            assert_int_equal(again_bytes, bytes);
            assert_memory_equal(again, data, bytes);
            free(again);
            gm_plan_fini(&back);
        } else {
            refused++;
            assert_int_equal(error.code, GM_EPEER_PROTOCOL);
        }
        gm_plan_fini(&plan);
        free(data);
    }
    assert_true(accepted > 100 && refused > 100);
}

static void other_version_says_both(void **state)
{
    (void)state;
    struct gm_plan plan = {0};
    struct gm_error error = {0};
    const uint8_t data[] = {99, 0, 0, 0, 0};
    assert_int_equal(gm_plan_decode(data, sizeof data, &plan, &error), GM_EPEER_PROTOCOL);
    assert_non_null(strstr(error.text, "version 99"));
}

static void wrong_kinds_and_counts_are_refused(void **state)
{
    (void)state;
    for (uint32_t which = 0; which < 4; which++) {
        uint64_t random = 5;
        struct gm_plan plan, back;
        uint8_t *data;
        size_t bytes;
        do {
            random_plan(&random, &plan);
            if (plan.chains[0].step_count > 0 && plan.scopes[0].broadcast_count < 3)
                break;
            gm_plan_fini(&plan);
        } while (true);
        struct gm_step *step = &plan.chains[0].steps[0];
        struct gm_plan_scope *scope = &plan.scopes[0];
        const uint32_t count = scope->broadcast_count;
        if (which == 0)
            step->kind = GM_STEP_KINDS;
        else if (which == 1)
            step->reduce = GM_REDUCE_LUA + 1;
        else if (which == 2)
            step->lua_mode = GM_LUA_FOLD + 1;
        else {
            scope->broadcasts =
                realloc(scope->broadcasts, (GM_BROADCASTS_MAX + 1) * sizeof *scope->broadcasts);
            assert_non_null(scope->broadcasts);
            memset(scope->broadcasts + count, 0,
                   (GM_BROADCASTS_MAX + 1 - count) * sizeof *scope->broadcasts);
            scope->broadcast_count = GM_BROADCASTS_MAX + 1;
        }
        assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
        assert_int_equal(gm_plan_decode(data, bytes, &back, NULL), GM_EPEER_PROTOCOL);
        free(data);
        scope->broadcast_count = count;
        step->kind = GM_STEP_FORMAT;
        gm_plan_fini(&plan);
    }
}

static bool reads_exchanges(const struct gm_source *source)
{
    for (uint32_t i = 0; i < source->input_count; i++)
        if (source->inputs[i].cached_id != 0)
            return false;
    return true;
}

/* A text source with segments feeds an exchange that another chain with steps may read. */
static struct gm_plan plan_with_links(void)
{
    uint64_t random = 4;
    for (;;) {
        struct gm_plan plan;
        random_plan(&random, &plan);
        if (plan.chain_count > 1 && plan.chains[0].source.kind == GM_SOURCE_TEXT &&
            plan.chains[0].source.segment_count > 2 &&
            plan.chains[1].source.kind == GM_SOURCE_EXCHANGE && plan.chains[1].step_count > 0 &&
            reads_exchanges(&plan.chains[1].source))
            return plan;
        gm_plan_fini(&plan);
    }
}

/* What each wrong index or count does alone; the plan is good but for it. */
static void wrong_links_are_refused(void **state)
{
    (void)state;
    for (uint32_t which = 0; which < 12; which++) {
        struct gm_plan plan = plan_with_links(), back;
        uint8_t *data;
        size_t bytes;
        plan.chains[1].steps[0].kind = GM_STEP_SORT;
        plan.exchanges[0].kind = GM_EXCHANGE_HASH;
        const uint32_t fields = plan.chains[1].source.schema.field_count;
        switch (which) {
        case 0:
            plan.chains[0].exchange = plan.exchange_count;
            break;
        case 1:
            plan.chains[0].claim = plan.chain_count;
            break;
        case 2:
            plan.chains[1].source.inputs[plan.chains[1].source.input_count - 1].exchange =
                plan.exchange_count;
            break;
        case 3:
            plan.chains[1].source.partition_count++;
            break;
        case 4:
            plan.chains[0].source.segments[1].file = plan.chains[0].source.file_count;
            break;
        case 5:
            plan.chains[0].source.segments[1].begin = plan.chains[0].source.segments[1].end;
            break;
        case 6:
            plan.chains[0].source.partition_ends[0] = plan.chains[0].source.segment_count + 1;
            break;
        case 7:
            plan.chains[1].source.input_count = 0;
            break;
        case 8:
            plan.chains[0].source.kind = GM_SOURCE_INTS;
            plan.chains[0].source.input_count = 1;
            free(plan.chains[0].source.inputs);
            plan.chains[0].source.inputs = random_table(1, sizeof(struct gm_input));
            plan.chains[0].source.inputs[0].schema = plan.chains[0].source.schema;
            break;
        case 9:
            plan.chains[1].steps[0].kind = GM_STEP_WHERE; /* its parameter is no list */
            free(plan.chains[1].steps[0].parameter);
            plan.chains[1].steps[0].parameter = random_table(8, 1);
            plan.chains[1].steps[0].parameter_bytes = 8;
            break;
        case 10:
            plan.chains[1].steps[0].order.columns[0].column = fields + 1;
            break;
        default:
            plan.exchanges[0].keys.columns[0].column = 0;
            break;
        }
        assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
        assert_int_equal(gm_plan_decode(data, bytes, &back, NULL), GM_EPEER_PROTOCOL);
        free(data);
        gm_plan_fini(&plan);
    }
}

/* A plan of ints, and one step of a mean or of marks, changed in the way of `which`. */
static int decode_mean(enum gm_step_kind kind, int which)
{
    struct gm_step step = {.kind = kind, .order = gleam_field(1)};
    struct gm_chain_plan chain = {.source = {.kind = GM_SOURCE_INTS, .partition_count = 1},
                                  .steps = &step,
                                  .step_count = 1};
    struct gm_exchange_plan exchange = {.kind = GM_EXCHANGE_GATHER, .partition_count = 1};
    struct gm_plan_scope scope = {0};
    struct gm_plan plan = {.chains = &chain,
                           .chain_count = 1,
                           .exchanges = &exchange,
                           .exchange_count = 1,
                           .scopes = &scope,
                           .scope_count = 1};
    struct gm_schema *in = &chain.source.schema, *out = &step.schema;
    struct gm_plan back;
    uint8_t *data;
    size_t bytes;
    gm_schema_add(in, "k", GLEAM_BYTES, false);
    gm_schema_add(out, "k", GLEAM_BYTES, false);
    gm_schema_add(in, "f", GLEAM_F64, false);
    if (kind == GM_STEP_MEAN)
        gm_schema_add(in, "n", which == 4 ? GLEAM_F64 : GLEAM_I64, false);
    if (kind != GM_STEP_MARKS)
        gm_schema_add(out, "f", which == 1 ? GLEAM_BYTES : GLEAM_F64, false);
    if (kind != GM_STEP_MEAN)
        gm_schema_add(out, "n", which == 1 ? GLEAM_BYTES : GLEAM_I64, false);
    if (which == 2)
        gm_schema_add(out, "more", GLEAM_I64, false);
    if (which == 3)
        step.order = gleam_then_by(step.order, 1, true);
    if (which == 5)
        step.order = gleam_then_by(gleam_then_by(step.order, 2, true), 3, true);
    exchange.schema = *out;
    assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
    const int rc = gm_plan_decode(data, bytes, &back, NULL);
    if (rc == 0)
        gm_plan_fini(&back);
    free(data);
    return rc;
}

static void columns_of_means_must_fit(void **state)
{
    (void)state;
    static const enum gm_step_kind kinds[] = {GM_STEP_MARKS, GM_STEP_MEAN_PARTS, GM_STEP_MEAN};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(decode_mean(kinds[i], 0), 0);
        for (int which = 1; which < 6; which++)
            if (which != 4 || kinds[i] == GM_STEP_MEAN)
                assert_int_equal(decode_mean(kinds[i], which), GM_EPEER_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_come_out_as_they_went_in),
        cmocka_unit_test(cut_off_plans_are_refused),
        cmocka_unit_test(changed_plans_are_refused_or_whole),
        cmocka_unit_test(columns_of_means_must_fit),
        cmocka_unit_test(other_version_says_both),
        cmocka_unit_test(wrong_kinds_and_counts_are_refused),
        cmocka_unit_test(wrong_links_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
