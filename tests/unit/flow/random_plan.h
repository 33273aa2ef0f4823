/* random_plan.h - plans out of a seed, for the test and the fuzzer of their encoding.  What they
 * say makes no sense to run; their indices and counts are those of a plan. */
#ifndef GM_TESTS_RANDOM_PLAN_H
#define GM_TESTS_RANDOM_PLAN_H

#include <stdio.h>

#include "engine/flow/plan.h"
#include "tests/unit/row/random_rows.h"

static inline void random_text(uint64_t *random, char *text, uint32_t text_bytes)
{
    const uint32_t length = random_below(random, random_below(random, 8) ? 8 : text_bytes);
    for (uint32_t i = 0; i < length; i++)
        text[i] = (char)(1 + random_below(random, 255));
    text[length] = '\0';
}

static inline char *random_string(uint64_t *random)
{
    char text[200];
    random_text(random, text, sizeof text);
    char *copy = strdup(text);
    GM_CHECK(copy != NULL);
    return copy;
}

/* NULL is the empty text. */
static inline char *random_optional(uint64_t *random)
{
    char *text = random_below(random, 2) ? random_string(random) : NULL;
    if (text == NULL || text[0] != '\0')
        return text;
    free(text);
    return NULL;
}

static inline void random_plan_schema(uint64_t *random, struct gm_schema *schema)
{
    random_schema(random, schema);
    if (schema->field_count > 4 && random_below(random, 4))
        schema->field_count = 1 + random_below(random, 4);
    for (uint32_t i = 0; i < schema->field_count; i++)
        random_text(random, schema->fields[i].name, sizeof schema->fields[i].name);
}

static inline void random_plan_order(uint64_t *random, const struct gm_schema *schema,
                                     struct gleam_order *order)
{
    order->count = 1 + random_below(random, GLEAM_ORDER_COLUMNS_MAX);
    for (uint32_t i = 0; i < order->count; i++) {
        order->columns[i].column = 1 + random_below(random, schema->field_count);
        order->columns[i].ascending = random_below(random, 2);
    }
}

static inline void *random_table(uint32_t count, size_t element_bytes)
{
    void *table = calloc(count + 1, element_bytes);
    GM_CHECK(table != NULL);
    return table;
}

static inline void random_csv(uint64_t *random, struct gm_source *source)
{
    struct gm_csv_plan *csv = random_table(1, sizeof *csv);
    struct gm_csv_format *format = &csv->format;
    source->csv = csv;
    format->dialect = (struct gm_csv_dialect){(uint8_t)random_next(random),
                                              (uint8_t)random_next(random),
                                              (uint8_t)random_next(random),
                                              (uint8_t)random_next(random)};
    format->on_error = (uint8_t)random_below(random, GM_CSV_NULL + 1);
    format->has_nulls = random_below(random, 2);
    format->null_bytes = random_below(random, GM_CSV_NULL_BYTES_MAX);
    memset(format->null_text, 'N', format->null_bytes);
    format->field_count = 1 + random_below(random, GM_CSV_FIELDS_MAX);
    format->column_count = source->schema.field_count;
    for (uint32_t i = 0; i < format->column_count; i++) {
        struct gm_field *field = &source->schema.fields[i];
        field->kind = field->kind == GLEAM_ANY ? GLEAM_BYTES : field->kind;
        field->nullable = field->nullable || format->on_error == GM_CSV_NULL;
        format->columns[i].field = (uint16_t)random_below(random, format->field_count);
        format->columns[i].nullable = field->nullable && random_below(random, 2);
    }
    csv->parity = (enum gm_csv_parity)random_below(random, GM_CSV_PARITY_AHEAD + 1);
    csv->words_begin = random_below(random, 99);
    csv->json = random_below(random, 2);
    csv->header = random_below(random, 2);
    csv->guessed = random_below(random, 2);
    csv->header_hash = random_next(random);
    random_text(random, csv->where, sizeof csv->where);
}

static inline void random_source(uint64_t *random, struct gm_source *source)
{
    source->kind = (enum gm_source_kind)random_below(random, GM_SOURCE_KINDS);
    random_text(random, source->name, sizeof source->name);
    random_plan_schema(random, &source->schema);
    source->partition_count = 1 + random_below(random, 20);
    source->tokenize = random_below(random, 2);
    source->blocks = random_below(random, 2);
    random_text(random, source->tokenize_name, sizeof source->tokenize_name);
    source->record_bytes = random_below(random, 2) * random_below(random, 1000);
    source->key_bytes = random_below(random, source->record_bytes + 1);
    source->file_count = random_below(random, 5);
    source->files = random_table(source->file_count, sizeof *source->files);
    for (uint32_t i = 0; i < source->file_count; i++) {
        source->files[i].path = random_string(random);
        source->files[i].bytes = random_below(random, 3) ? random_next(random) : UINT64_MAX;
        source->files[i].command = random_below(random, 2);
        source->files[i].listen = random_below(random, 2);
        source->files[i].archive_bytes =
            random_below(random, (uint32_t)strlen(source->files[i].path) + 1);
        if (source->files[i].archive_bytes > 0)
            source->files[i].member = (struct gm_zip_member){.offset = random_next(random),
                                                             .packed_bytes = random_next(random),
                                                             .bytes = random_next(random),
                                                             .crc = (uint32_t)random_next(random),
                                                             .deflated = random_below(random, 2)};
    }
    source->segment_count = source->file_count > 0 ? random_below(random, 30) : 0;
    source->segments = random_table(source->segment_count, sizeof *source->segments);
    for (uint32_t i = 0; i < source->segment_count; i++) {
        source->segments[i].file = random_below(random, source->file_count);
        source->segments[i].begin = random_next(random) >> 8;
        source->segments[i].end = random_below(random, 3)
                                      ? source->segments[i].begin + 1 + random_below(random, 99)
                                      : UINT64_MAX;
    }
    if (source->kind == GM_SOURCE_CSV)
        random_csv(random, source);
    if (gm_source_has_files(source)) {
        source->partition_ends = random_table(source->partition_count, sizeof(uint32_t));
        for (uint32_t i = 0, end = 0; i < source->partition_count; i++) {
            end += random_below(random, source->segment_count - end + 1);
            source->partition_ends[i] = end;
        }
    }
    source->string_count = random_below(random, 4);
    source->strings = random_table(source->string_count, sizeof *source->strings);
    for (uint32_t i = 0; i < source->string_count; i++) {
        source->strings[i].bytes = random_below(random, 50);
        source->strings[i].data = random_table(50, 1);
        for (uint32_t j = 0; j < source->strings[i].bytes; j++)
            source->strings[i].data[j] = (char)random_next(random);
    }
    source->command_word = random_below(random, 99);
    source->from = (int64_t)random_next(random);
    source->to = (int64_t)random_next(random);
}

static inline void random_scopes(uint64_t *random, struct gm_plan *plan)
{
    plan->scope_count = 1 + random_below(random, 3);
    plan->scopes = random_table(plan->scope_count, sizeof *plan->scopes);
    for (uint32_t s = 0; s < plan->scope_count; s++) {
        struct gm_plan_scope *scope = &plan->scopes[s];
        random_text(random, scope->name, sizeof scope->name);
        scope->lua_init = random_optional(random);
        scope->broadcast_count =
            random_below(random, random_below(random, 8) ? 3 : GM_BROADCASTS_MAX + 1);
        scope->broadcasts = random_table(scope->broadcast_count, sizeof *scope->broadcasts);
        for (uint32_t i = 0; i < scope->broadcast_count; i++) {
            scope->broadcasts[i].bytes = random_below(random, 50);
            scope->broadcasts[i].data = random_table(50, 1);
            for (uint32_t j = 0; j < scope->broadcasts[i].bytes; j++)
                scope->broadcasts[i].data[j] = (char)random_next(random);
        }
    }
    plan->kept_count = random_below(random, 4);
    plan->kept = random_table(plan->kept_count, sizeof *plan->kept);
    for (uint32_t i = 0; i < plan->kept_count; i++)
        plan->kept[i] = random_next(random);
}

static inline void random_write(uint64_t *random, struct gm_step *step)
{
    struct gm_write_plan *write = random_table(1, sizeof *write);
    step->write = write;
    *write = (struct gm_write_plan){.format = random_below(random, GM_WRITE_FORMATS),
                                    .compression = random_below(random, GM_COMPRESSIONS),
                                    .counts = random_below(random, 2),
                                    .delimiter = (uint8_t)random_next(random),
                                    .quote = (uint8_t)random_next(random),
                                    .quote_all = random_below(random, 2),
                                    .header = random_below(random, 2),
                                    .null_bytes = random_below(random, GM_WRITE_NULL_BYTES_MAX)};
    memset(write->null_text, 'N', write->null_bytes);
    if (step->kind == GM_STEP_MEASURE) /* passes rows on */
        return;
    step->schema = (struct gm_schema){0};
    gm_schema_add(&step->schema, "text", GLEAM_BYTES, false);
    if (write->counts)
        gm_schema_add(&step->schema, "rows", GLEAM_I64, false);
}

static inline void random_placed(uint64_t *random, struct gm_exchange_plan *exchange)
{
    if (exchange->kind != GM_EXCHANGE_OUTPUT || random_below(random, 2))
        return;
    exchange->placed = random_table(1, sizeof *exchange->placed);
    random_text(random, exchange->placed->target, sizeof exchange->placed->target);
    random_text(random, exchange->placed->path, 200);
    exchange->placed->begin_bytes = random_next(random);
    exchange->placed->words_begin = (uint32_t)random_next(random);
    exchange->placed->range_count = random_below(random, GM_EXECUTORS_MAX + 1);
}

static inline void random_parts(uint64_t *random, struct gm_exchange_plan *exchange)
{
    if (exchange->kind != GM_EXCHANGE_OUTPUT || random_below(random, 2))
        return;
    exchange->parts = random_table(1, sizeof *exchange->parts);
    random_text(random, exchange->parts->suffix, sizeof exchange->parts->suffix);
    random_text(random, exchange->parts->target, sizeof exchange->parts->target);
    random_text(random, exchange->parts->directory, 200);
}

static inline void random_step(uint64_t *random, const struct gm_schema *input,
                               struct gm_step *step)
{
    step->kind = (enum gm_step_kind)random_below(random, GM_STEP_KINDS);
    /* Their columns depend on each other: test_plan_codec.c has one of each. */
    if (step->kind == GM_STEP_MARKS || step->kind == GM_STEP_MEAN_PARTS ||
        step->kind == GM_STEP_MEAN)
        step->kind = GM_STEP_FORMAT;
    random_text(random, step->name, sizeof step->name);
    random_text(random, step->where, sizeof step->where);
    random_plan_schema(random, &step->schema);
    random_plan_order(random, input, &step->order);
    step->count = random_next(random);
    step->offset = random_next(random);
    step->stops_source = random_below(random, 2);
    step->reduce = (enum gm_reduce_kind)random_below(random, GM_REDUCE_LUA + 1);
    step->lua_mode = (enum gm_lua_mode)random_below(random, GM_LUA_FOLD + 1);
    random_text(random, step->function, sizeof step->function);
    step->library = random_optional(random);
    step->parameter_bytes = random_below(random, 40);
    step->parameter = random_table(step->parameter_bytes, 1);
    for (uint32_t i = 0; i < step->parameter_bytes; i++)
        ((uint8_t *)step->parameter)[i] = (uint8_t)random_next(random);
    step->format = random_string(random);
    step->comparison = (enum gleam_comparison)random_below(random, GLEAM_IS_NOT_NULL + 1);
    if (step->kind == GM_STEP_WHERE) {
        const struct gleam_value value = random_below(random, 2)
                                             ? gleam_i64((int64_t)random_next(random))
                                             : gleam_bytes("some text", 9);
        free(step->parameter);
        step->parameter = random_table((uint32_t)gleam_list_bytes(&value, 1), 1);
        step->parameter_bytes =
            (uint32_t)gleam_list_pack(&value, 1, step->parameter).bytes.length;
    }
    step->join = (enum gleam_join_kind)random_below(random, GLEAM_JOIN_LEFT_ANTI + 1);
    random_plan_order(random, input, &step->right_keys);
    step->tagged = random_below(random, 2);
    step->seeks_first = random_below(random, 2);
    step->seed = random_next(random);
    random_text(random, step->note, sizeof step->note);
    if (step->kind == GM_STEP_WRITE ||
        (step->kind == GM_STEP_MEASURE && random_below(random, 2)))
        random_write(random, step);
}

static inline bool random_meets(const struct gm_step *step)
{
    return step->kind == GM_STEP_JOIN || step->kind == GM_STEP_COGROUP;
}

/* A step of several inputs only where the chain has them. */
static inline void random_first_step(uint64_t *random, const struct gm_source *source,
                                     struct gm_step *step, uint32_t index)
{
    if (!random_meets(step))
        return;
    if (index > 0 || source->input_count != 2) {
        step->kind = GM_STEP_FORMAT;
        return;
    }
    random_plan_order(random, &source->inputs[1].schema, &step->right_keys);
    if (step->order.count > step->right_keys.count)
        step->order.count = step->right_keys.count;
    step->right_keys.count = step->order.count;
    if (step->kind == GM_STEP_JOIN && random_below(random, 4) == 0)
        step->order.count = step->right_keys.count = 0;
}

/* One to three of the exchanges up to `last`, which get as many partitions as the first has. */
static inline void random_inputs(uint64_t *random, struct gm_plan *plan, uint32_t last,
                                 struct gm_source *source)
{
    source->input_count = 1 + random_below(random, 3);
    source->inputs = random_table(source->input_count, sizeof *source->inputs);
    for (uint32_t i = 0; i < source->input_count; i++) {
        const uint32_t exchange = random_below(random, last + 1);
        source->inputs[i].exchange = exchange;
        random_plan_schema(random, &source->inputs[i].schema);
        if (i == 0)
            source->partition_count = plan->exchanges[exchange].partition_count;
    }
    source->inputs[0].schema = source->schema;
    /* Other chains may read the same ones: one number for all is right for them too. */
    for (uint32_t i = 1; i < source->input_count; i++)
        if (plan->exchanges[source->inputs[i].exchange].partition_count != source->partition_count)
            source->inputs[i].exchange = source->inputs[0].exchange;
    for (uint32_t i = 0; i < source->input_count; i++) {
        if (random_below(random, 8) > 0)
            continue;
        source->inputs[i].exchange = UINT32_MAX;
        source->inputs[i].cached_id = 1 + random_below(random, 9);
    }
}

/* Every chain feeds the exchange of its number; a chain that reads one reads an earlier one. */
static inline void random_plan(uint64_t *random, struct gm_plan *plan)
{
    *plan = (struct gm_plan){.input_bytes = random_next(random)};
    random_text(random, plan->name, sizeof plan->name);
    random_scopes(random, plan);
    plan->chain_count = 1 + random_below(random, 4);
    plan->exchange_count = plan->chain_count;
    plan->chains = random_table(plan->chain_count, sizeof *plan->chains);
    plan->exchanges = random_table(plan->exchange_count, sizeof *plan->exchanges);
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        struct gm_chain_plan *chain = &plan->chains[i];
        struct gm_exchange_plan *exchange = &plan->exchanges[i];
        exchange->kind = (enum gm_exchange_kind)random_below(random, GM_EXCHANGE_KINDS);
        random_plan_schema(random, &exchange->schema);
        exchange->partition_count = 1 + random_below(random, 20);
        random_plan_order(random, &exchange->schema, &exchange->keys);
        exchange->tagged = random_below(random, 2);
        exchange->output = random_below(random, 9);
        exchange->ordered = random_below(random, 2);
        exchange->samples = random_below(random, i + 1);
        /* A range exchange wants one of samples. */
        if (exchange->kind == GM_EXCHANGE_RANGE &&
            plan->exchanges[exchange->samples].kind != GM_EXCHANGE_SAMPLE)
            exchange->kind = GM_EXCHANGE_SAMPLE;
        random_parts(random, exchange);
        if (exchange->kind == GM_EXCHANGE_OUTPUT)
            exchange->cached_id = random_below(random, 3);
        exchange->on_disk = random_below(random, 2);
        random_placed(random, exchange);
        random_source(random, &chain->source);
        if (chain->source.kind == GM_SOURCE_EXCHANGE)
            random_inputs(random, plan, i, &chain->source);
        chain->claim = random_below(random, i + 1);
        chain->exchange = i;
        chain->scope = random_below(random, plan->scope_count);
        chain->yields_to = random_below(random, i + 1);
        chain->step_count = random_below(random, 5);
        chain->steps = random_table(chain->step_count, sizeof *chain->steps);
        for (uint32_t s = 0; s < chain->step_count; s++) {
            random_step(random, gm_plan_input_schema(chain, s), &chain->steps[s]);
            random_first_step(random, &chain->source, &chain->steps[s], s);
        }
        for (uint32_t n = 1; n < chain->source.input_count; n++)
            if (chain->step_count == 0 || !random_meets(&chain->steps[0]))
                chain->source.inputs[n].schema = chain->source.schema;
    }
}

#endif
