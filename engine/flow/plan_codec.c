/* plan_codec.c - every table of a plan, in the order of plan.h. */
#include "engine/flow/plan_codec.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/flow/plan_csv.h"
#include "engine/flow/plan_write.h"
#include "engine/row/list.h"

/* Changes with every change of the encoding: driver and executor are the same program, but an
 * agent's may not be. */
#define PLAN_VERSION 3

/* ---- encoding ------------------------------------------------------------------------------- */

static void write_schema(struct gm_writer *writer, const struct gm_schema *schema)
{
    gm_writer_u32(writer, schema->field_count);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        gm_writer_string(writer, schema->fields[i].name);
        gm_writer_u8(writer, schema->fields[i].kind);
        gm_writer_bool(writer, schema->fields[i].nullable);
    }
}

static void write_order(struct gm_writer *writer, const struct gleam_order *order)
{
    gm_writer_u32(writer, order->count);
    for (uint32_t i = 0; i < order->count; i++) {
        gm_writer_u32(writer, order->columns[i].column);
        gm_writer_bool(writer, order->columns[i].ascending);
    }
}

static void write_member(struct gm_writer *writer, const struct gm_file *file)
{
    gm_writer_u32(writer, file->archive_bytes);
    if (file->archive_bytes == 0)
        return;
    gm_writer_u64(writer, file->member.offset);
    gm_writer_u64(writer, file->member.packed_bytes);
    gm_writer_u64(writer, file->member.bytes);
    gm_writer_u32(writer, file->member.crc);
    gm_writer_bool(writer, file->member.deflated);
}

static void write_source(struct gm_writer *writer, const struct gm_source *source)
{
    gm_writer_u8(writer, (uint8_t)source->kind);
    gm_writer_string(writer, source->name);
    write_schema(writer, &source->schema);
    gm_writer_u32(writer, source->partition_count);
    gm_writer_u32(writer, source->record_bytes);
    gm_writer_u32(writer, source->key_bytes);
    gm_writer_bool(writer, source->tokenize);
    gm_writer_bool(writer, source->blocks);
    gm_writer_bool(writer, source->counted);
    gm_writer_string(writer, source->tokenize_name);
    gm_writer_u32(writer, source->file_count);
    for (uint32_t i = 0; i < source->file_count; i++) {
        gm_writer_string(writer, source->files[i].path);
        gm_writer_u64(writer, source->files[i].bytes);
        gm_writer_bool(writer, source->files[i].command);
        gm_writer_bool(writer, source->files[i].listen);
        write_member(writer, &source->files[i]);
    }
    gm_writer_u32(writer, source->segment_count);
    for (uint32_t i = 0; i < source->segment_count; i++) {
        gm_writer_u32(writer, source->segments[i].file);
        gm_writer_u64(writer, source->segments[i].begin);
        gm_writer_u64(writer, source->segments[i].end);
    }
    if (gm_source_has_files(source))
        for (uint32_t i = 0; i < source->partition_count; i++)
            gm_writer_u32(writer, source->partition_ends[i]);
    gm_writer_u32(writer, source->string_count);
    for (uint32_t i = 0; i < source->string_count; i++)
        gm_writer_blob(writer, source->strings[i].data, source->strings[i].bytes);
    gm_writer_i64(writer, source->from);
    gm_writer_i64(writer, source->to);
    gm_writer_u32(writer, source->input_count);
    for (uint32_t i = 0; i < source->input_count; i++) {
        gm_writer_u32(writer, source->inputs[i].exchange);
        gm_writer_u64(writer, source->inputs[i].cached_id);
        write_schema(writer, &source->inputs[i].schema);
    }
    gm_writer_u32(writer, source->command_word);
    if (source->kind == GM_SOURCE_CSV)
        gm_plan_csv_write(writer, source->csv);
}

static void write_step(struct gm_writer *writer, const struct gm_step *step)
{
    gm_writer_u8(writer, (uint8_t)step->kind);
    gm_writer_string(writer, step->name);
    gm_writer_string(writer, step->where);
    write_schema(writer, &step->schema);
    write_order(writer, &step->order);
    gm_writer_u64(writer, step->count);
    gm_writer_u64(writer, step->offset);
    gm_writer_bool(writer, step->stops_source);
    gm_writer_u8(writer, (uint8_t)step->reduce);
    gm_writer_u8(writer, (uint8_t)step->lua_mode);
    gm_writer_string(writer, step->function);
    gm_writer_string(writer, step->library != NULL ? step->library : "");
    gm_writer_blob(writer, step->parameter, step->parameter_bytes);
    gm_writer_string(writer, step->format != NULL ? step->format : "");
    gm_writer_u8(writer, (uint8_t)step->comparison);
    gm_writer_u8(writer, (uint8_t)step->join);
    write_order(writer, &step->right_keys);
    gm_writer_bool(writer, step->tagged);
    gm_writer_bool(writer, step->seeks_first);
    gm_writer_u64(writer, step->seed);
    gm_writer_string(writer, step->note);
    gm_writer_bool(writer, step->write != NULL);
    if (step->write != NULL)
        gm_plan_write_write(writer, step->write);
}

static void write_scopes(struct gm_writer *writer, const struct gm_plan *plan)
{
    gm_writer_u32(writer, plan->scope_count);
    for (uint32_t i = 0; i < plan->scope_count; i++) {
        const struct gm_plan_scope *scope = &plan->scopes[i];
        gm_writer_string(writer, scope->name);
        gm_writer_string(writer, scope->lua_init != NULL ? scope->lua_init : "");
        gm_writer_u32(writer, scope->broadcast_count);
        for (uint32_t b = 0; b < scope->broadcast_count; b++)
            gm_writer_blob(writer, scope->broadcasts[b].data, scope->broadcasts[b].bytes);
    }
    gm_writer_u32(writer, plan->kept_count);
    for (uint32_t i = 0; i < plan->kept_count; i++)
        gm_writer_u64(writer, plan->kept[i]);
}

int gm_plan_encode(const struct gm_plan *plan, uint8_t **ret_data, size_t *ret_bytes)
{
    struct gm_writer writer;
    gm_writer_init(&writer, GM_PLAN_BYTES_MAX);
    gm_writer_u32(&writer, PLAN_VERSION);
    gm_writer_string(&writer, plan->name);
    gm_writer_u64(&writer, plan->input_bytes);
    write_scopes(&writer, plan);
    gm_writer_u32(&writer, plan->chain_count);
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        write_source(&writer, &chain->source);
        gm_writer_u32(&writer, chain->claim);
        gm_writer_u32(&writer, chain->step_count);
        for (uint32_t s = 0; s < chain->step_count; s++)
            write_step(&writer, &chain->steps[s]);
        gm_writer_u32(&writer, chain->exchange);
        gm_writer_u32(&writer, chain->scope);
        gm_writer_u32(&writer, chain->yields_to);
    }
    gm_writer_u32(&writer, plan->exchange_count);
    for (uint32_t e = 0; e < plan->exchange_count; e++) {
        const struct gm_exchange_plan *exchange = &plan->exchanges[e];
        gm_writer_u8(&writer, (uint8_t)exchange->kind);
        write_schema(&writer, &exchange->schema);
        gm_writer_u32(&writer, exchange->partition_count);
        write_order(&writer, &exchange->keys);
        gm_writer_bool(&writer, exchange->tagged);
        gm_writer_u32(&writer, exchange->output);
        gm_plan_parts_write(&writer, exchange->parts);
        gm_plan_placed_write(&writer, exchange->placed);
        gm_writer_bool(&writer, exchange->ordered);
        gm_writer_u32(&writer, exchange->samples);
        gm_writer_u64(&writer, exchange->cached_id);
        gm_writer_bool(&writer, exchange->on_disk);
    }
    const int rc = gm_writer_take(&writer, ret_data, ret_bytes);
    gm_writer_fini(&writer);
    return rc;
}

/* ---- decoding: every count is bounded, every index checked ---------------------------------- */

static void expect(struct gm_cursor *cursor, bool condition)
{
    if (!condition)
        gm_cursor_fail(cursor);
}

static void read_schema(struct gm_cursor *cursor, struct gm_schema *schema)
{
    schema->field_count = gm_cursor_count(cursor, GM_FIELDS_MAX, 6);
    expect(cursor, schema->field_count > 0);
    for (uint32_t i = 0; i < schema->field_count && !cursor->failed; i++) {
        struct gm_field *field = &schema->fields[i];
        gm_cursor_string(cursor, field->name, sizeof field->name);
        field->kind = gm_cursor_u8(cursor);
        field->nullable = gm_cursor_bool(cursor);
        expect(cursor, field->kind >= GLEAM_I64 && field->kind <= GLEAM_ANY);
    }
}

static void read_order(struct gm_cursor *cursor, struct gleam_order *order)
{
    order->count = gm_cursor_count(cursor, GLEAM_ORDER_COLUMNS_MAX, 5);
    for (uint32_t i = 0; i < order->count && !cursor->failed; i++) {
        order->columns[i].column = gm_cursor_u32(cursor);
        order->columns[i].ascending = gm_cursor_bool(cursor);
    }
}

static void check_order(struct gm_cursor *cursor, const struct gleam_order *order,
                        const struct gm_schema *schema)
{
    expect(cursor, order->count > 0);
    for (uint32_t i = 0; i < order->count; i++)
        expect(cursor, order->columns[i].column >= 1 &&
                           order->columns[i].column <= schema->field_count);
}

/* A zeroed table of count elements; never NULL, so that "no table" is a failure of its own. */
static void *table(size_t count, size_t element_bytes)
{
    void *memory = calloc(count > 0 ? count : 1, element_bytes);
    GM_CHECK(memory != NULL); /* counts are bounded by the plan's own size */
    return memory;
}

static char *read_text(struct gm_cursor *cursor, uint32_t bytes_max, uint64_t *ret_bytes)
{
    uint32_t bytes = 0;
    const uint8_t *data = gm_cursor_blob(cursor, bytes_max, &bytes);
    if (data == NULL)
        return NULL;
    /* Who doesn't ask for the length ends it at the first NUL. */
    if (ret_bytes == NULL && bytes > 0 && memchr(data, '\0', bytes) != NULL) {
        gm_cursor_fail(cursor);
        return NULL;
    }
    char *text = table((size_t)bytes + GM_BYTES_SLACK, 1); /* a string may become a row's value */
    if (bytes > 0)
        memcpy(text, data, bytes);
    if (ret_bytes != NULL)
        *ret_bytes = bytes;
    return text;
}

/* NULL for the empty text. */
static char *read_optional(struct gm_cursor *cursor, uint32_t bytes_max)
{
    char *text = read_text(cursor, bytes_max, NULL);
    if (text == NULL || text[0] != '\0')
        return text;
    free(text);
    return NULL;
}

static void read_member(struct gm_cursor *cursor, struct gm_file *file)
{
    file->archive_bytes = gm_cursor_u32(cursor);
    if (file->archive_bytes == 0)
        return;
    expect(cursor, file->path != NULL && file->archive_bytes <= strlen(file->path));
    file->member.offset = gm_cursor_u64(cursor);
    file->member.packed_bytes = gm_cursor_u64(cursor);
    file->member.bytes = gm_cursor_u64(cursor);
    file->member.crc = gm_cursor_u32(cursor);
    file->member.deflated = gm_cursor_bool(cursor);
}

static void read_files(struct gm_cursor *cursor, struct gm_source *source)
{
    source->file_count = gm_cursor_count(cursor, GM_FILES_MAX, 12);
    source->files = table(source->file_count, sizeof *source->files);
    for (uint32_t i = 0; i < source->file_count && !cursor->failed; i++) {
        source->files[i].path = read_text(cursor, GM_PATH_BYTES_MAX, NULL);
        source->files[i].bytes = gm_cursor_u64(cursor);
        source->files[i].command = gm_cursor_bool(cursor);
        source->files[i].listen = gm_cursor_bool(cursor);
        read_member(cursor, &source->files[i]);
    }
    source->segment_count = gm_cursor_count(cursor, UINT32_MAX, 20);
    source->segments = table(source->segment_count, sizeof *source->segments);
    for (uint32_t i = 0; i < source->segment_count && !cursor->failed; i++) {
        struct gm_segment *segment = &source->segments[i];
        segment->file = gm_cursor_u32(cursor);
        segment->begin = gm_cursor_u64(cursor);
        segment->end = gm_cursor_u64(cursor);
        expect(cursor, segment->file < source->file_count && segment->begin < segment->end);
    }
}

static void read_inputs(struct gm_cursor *cursor, struct gm_source *source)
{
    source->input_count = gm_cursor_count(cursor, GM_EXCHANGES_MAX, 14);
    expect(cursor, (source->input_count > 0) == (source->kind == GM_SOURCE_EXCHANGE));
    source->inputs = table(source->input_count, sizeof *source->inputs);
    for (uint32_t i = 0; i < source->input_count && !cursor->failed; i++) {
        source->inputs[i].exchange = gm_cursor_u32(cursor);
        source->inputs[i].cached_id = gm_cursor_u64(cursor);
        read_schema(cursor, &source->inputs[i].schema);
    }
}

static void read_source(struct gm_cursor *cursor, struct gm_source *source)
{
    source->kind = gm_cursor_u8(cursor);
    expect(cursor, (unsigned)source->kind < GM_SOURCE_KINDS);
    gm_cursor_string(cursor, source->name, sizeof source->name);
    read_schema(cursor, &source->schema);
    source->partition_count = gm_cursor_u32(cursor);
    expect(cursor, source->partition_count >= 1 && source->partition_count <= GM_PARTITIONS_MAX);
    source->record_bytes = gm_cursor_u32(cursor);
    source->key_bytes = gm_cursor_u32(cursor);
    expect(cursor, source->record_bytes <= GM_RECORD_BYTES_MAX &&
                       source->key_bytes <= source->record_bytes);
    source->tokenize = gm_cursor_bool(cursor);
    source->blocks = gm_cursor_bool(cursor);
    source->counted = gm_cursor_bool(cursor);
    gm_cursor_string(cursor, source->tokenize_name, sizeof source->tokenize_name);
    read_files(cursor, source);
    if (gm_source_has_files(source) && !cursor->failed) {
        uint32_t last = 0;
        source->partition_ends = table(source->partition_count, sizeof *source->partition_ends);
        for (uint32_t i = 0; i < source->partition_count && !cursor->failed; i++) {
            const uint32_t end = gm_cursor_u32(cursor);
            expect(cursor, end >= last && end <= source->segment_count);
            source->partition_ends[i] = last = end;
        }
    }
    source->string_count = gm_cursor_count(cursor, UINT32_MAX, 4);
    source->strings = table(source->string_count, sizeof *source->strings);
    for (uint32_t i = 0; i < source->string_count && !cursor->failed; i++)
        source->strings[i].data =
            read_text(cursor, GM_VALUE_BYTES_MAX, &source->strings[i].bytes);
    source->from = gm_cursor_i64(cursor);
    source->to = gm_cursor_i64(cursor);
    read_inputs(cursor, source);
    source->command_word = gm_cursor_u32(cursor);
    if (source->kind == GM_SOURCE_CSV && !cursor->failed)
        source->csv = gm_plan_csv_read(cursor, &source->schema);
}

/* Steps whose order names columns; a reduce of all rows has none. */
static bool has_order(const struct gm_step *step)
{
    switch (step->kind) {
    case GM_STEP_COMBINE:
    case GM_STEP_REDUCE:
        return step->order.count > 0;
    case GM_STEP_PARTIAL_DISTINCT:
    case GM_STEP_DISTINCT:
    case GM_STEP_WHERE:
    case GM_STEP_GROUP:
    case GM_STEP_SORT:
    case GM_STEP_TOP:
    case GM_STEP_SELECT:
    case GM_STEP_LIMIT:
        return true;
    default:
        return false;
    }
}

static void read_step(struct gm_cursor *cursor, struct gm_step *step,
                      const struct gm_schema *input)
{
    step->kind = gm_cursor_u8(cursor);
    expect(cursor, (unsigned)step->kind < GM_STEP_KINDS);
    gm_cursor_string(cursor, step->name, sizeof step->name);
    gm_cursor_string(cursor, step->where, sizeof step->where);
    read_schema(cursor, &step->schema);
    read_order(cursor, &step->order);
    step->count = gm_cursor_u64(cursor);
    step->offset = gm_cursor_u64(cursor);
    step->stops_source = gm_cursor_bool(cursor);
    step->reduce = gm_cursor_u8(cursor);
    expect(cursor, step->reduce <= GM_REDUCE_LUA);
    step->lua_mode = gm_cursor_u8(cursor);
    expect(cursor, step->lua_mode <= GM_LUA_FOLD);
    gm_cursor_string(cursor, step->function, sizeof step->function);
    step->library = read_optional(cursor, GM_PATH_BYTES_MAX);
    uint64_t bytes = 0;
    step->parameter = read_text(cursor, GM_PARAM_BYTES_MAX, &bytes);
    step->parameter_bytes = (uint32_t)bytes;
    step->format = read_text(cursor, GM_PARAM_BYTES_MAX, NULL);
    step->comparison = gm_cursor_u8(cursor);
    expect(cursor, step->comparison <= GLEAM_IS_NOT_NULL);
    step->join = gm_cursor_u8(cursor);
    expect(cursor, step->join <= GLEAM_JOIN_LEFT_ANTI);
    read_order(cursor, &step->right_keys);
    step->tagged = gm_cursor_bool(cursor);
    step->seeks_first = gm_cursor_bool(cursor);
    step->seed = gm_cursor_u64(cursor);
    gm_cursor_string(cursor, step->note, sizeof step->note);
    if (gm_cursor_bool(cursor) && !cursor->failed) {
        expect(cursor, step->kind == GM_STEP_WRITE || step->kind == GM_STEP_MEASURE);
        step->write = gm_plan_write_read(cursor);
    }
    expect(cursor, step->kind != GM_STEP_WRITE ||
                       (step->write != NULL && gm_plan_write_makes(step->write, &step->schema)));
    if (has_order(step))
        check_order(cursor, &step->order, input);
}

/* Columns that these steps count on: their schema's, and of what kinds. */
static void check_means(struct gm_cursor *cursor, const struct gm_step *step,
                        const struct gm_schema *input)
{
    const uint32_t keys = step->order.count;
    if (cursor->failed || (step->kind != GM_STEP_MARKS && step->kind != GM_STEP_MEAN_PARTS &&
                           step->kind != GM_STEP_MEAN))
        return;
    if (keys > 0)
        check_order(cursor, &step->order, input);
    expect(cursor, keys < input->field_count);
    if (cursor->failed)
        return;
    const uint32_t values = input->field_count - keys;
    const uint32_t made = step->kind == GM_STEP_MARKS        ? values
                          : step->kind == GM_STEP_MEAN_PARTS ? 2 * values
                                                             : values / 2;
    expect(cursor, step->schema.field_count == keys + made);
    for (uint32_t i = keys; i < step->schema.field_count; i++) {
        const bool number = step->kind == GM_STEP_MEAN ||
                            (step->kind == GM_STEP_MEAN_PARTS && i < keys + values);
        expect(cursor, step->schema.fields[i].kind == (number ? GLEAM_F64 : GLEAM_I64));
    }
    for (uint32_t i = 0; i < keys; i++) /* named once, so that the others are as many */
        for (uint32_t j = 0; j < i; j++)
            expect(cursor, step->order.columns[i].column != step->order.columns[j].column);
    for (uint32_t i = keys; i < input->field_count && step->kind == GM_STEP_MEAN; i++)
        expect(cursor, values % 2 == 0 && input->fields[i].kind ==
                                              (i < keys + values / 2 ? GLEAM_F64 : GLEAM_I64));
}

/* What a where compares with: a list of one value. */
static void check_constant(struct gm_cursor *cursor, const struct gm_step *step)
{
    if (cursor->failed || step->kind != GM_STEP_WHERE)
        return;
    struct gleam_value list = gleam_bytes(step->parameter, step->parameter_bytes);
    list.kind = GLEAM_LIST;
    expect(cursor, gm_list_check(step->parameter, step->parameter_bytes) &&
                       gleam_list_count(&list) == 1);
}

/* A step that reads several inputs begins a chain that has them. */
static void check_inputs(struct gm_cursor *cursor, const struct gm_source *source,
                         const struct gm_step *step, uint32_t index)
{
    if (step->kind != GM_STEP_JOIN && step->kind != GM_STEP_COGROUP)
        return;
    expect(cursor, index == 0 && source->input_count == 2);
    expect(cursor, step->order.count == step->right_keys.count);
    expect(cursor, step->kind == GM_STEP_JOIN || step->order.count > 0);
    if (cursor->failed || step->order.count == 0) /* a cross join */
        return;
    check_order(cursor, &step->order, &source->inputs[0].schema);
    check_order(cursor, &step->right_keys, &source->inputs[1].schema);
}

static void read_chain(struct gm_cursor *cursor, struct gm_chain_plan *chain)
{
    read_source(cursor, &chain->source);
    chain->claim = gm_cursor_u32(cursor);
    const uint32_t step_count = gm_cursor_count(cursor, 2 * GM_STEPS_MAX, 16);
    chain->steps = table(step_count, sizeof *chain->steps);
    for (uint32_t s = 0; s < step_count && !cursor->failed; s++) {
        chain->step_count = s + 1;
        read_step(cursor, &chain->steps[s], gm_plan_input_schema(chain, s));
        check_constant(cursor, &chain->steps[s]);
        check_means(cursor, &chain->steps[s], gm_plan_input_schema(chain, s));
        check_inputs(cursor, &chain->source, &chain->steps[s], s);
    }
    chain->exchange = gm_cursor_u32(cursor);
    chain->scope = gm_cursor_u32(cursor);
    chain->yields_to = gm_cursor_u32(cursor);
}

static void read_exchange(struct gm_cursor *cursor, struct gm_exchange_plan *exchange)
{
    exchange->kind = gm_cursor_u8(cursor);
    expect(cursor, exchange->kind < GM_EXCHANGE_KINDS);
    read_schema(cursor, &exchange->schema);
    exchange->partition_count = gm_cursor_u32(cursor);
    expect(cursor, exchange->partition_count >= 1 &&
                       exchange->partition_count <= GM_PARTITIONS_MAX);
    read_order(cursor, &exchange->keys);
    exchange->tagged = gm_cursor_bool(cursor);
    exchange->output = gm_cursor_u32(cursor);
    if (!cursor->failed)
        exchange->parts = gm_plan_parts_read(cursor);
    if (!cursor->failed)
        exchange->placed = gm_plan_placed_read(cursor);
    expect(cursor, (exchange->parts == NULL && exchange->placed == NULL) ||
                       exchange->kind == GM_EXCHANGE_OUTPUT);
    exchange->ordered = gm_cursor_bool(cursor);
    exchange->samples = gm_cursor_u32(cursor);
    exchange->cached_id = gm_cursor_u64(cursor);
    exchange->on_disk = gm_cursor_bool(cursor);
    expect(cursor, exchange->cached_id == 0 || exchange->kind == GM_EXCHANGE_OUTPUT);
    if (exchange->kind == GM_EXCHANGE_HASH || exchange->kind == GM_EXCHANGE_RANGE)
        check_order(cursor, &exchange->keys, &exchange->schema);
}

/* Batches of every input are what the chain's steps expect, if none of them knows the inputs. */
static bool inputs_agree(const struct gm_chain_plan *chain)
{
    const struct gm_source *source = &chain->source;
    if (chain->step_count > 0 && (chain->steps[0].kind == GM_STEP_JOIN ||
                                  chain->steps[0].kind == GM_STEP_COGROUP))
        return true;
    for (uint32_t i = 0; i < source->input_count; i++) {
        const struct gm_schema *schema = &source->inputs[i].schema;
        if (schema->field_count != source->schema.field_count)
            return false;
        for (uint32_t f = 0; f < schema->field_count; f++)
            if (schema->fields[f].kind != source->schema.fields[f].kind &&
                source->schema.fields[f].kind != GLEAM_ANY)
                return false;
    }
    return true;
}

static void check_links(struct gm_cursor *cursor, const struct gm_plan *plan)
{
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        expect(cursor, chain->exchange < plan->exchange_count &&
                           chain->claim < plan->chain_count && chain->scope < plan->scope_count);
        expect(cursor, chain->yields_to <= plan->chain_count);
        expect(cursor, inputs_agree(chain));
        for (uint32_t i = 0; i < chain->source.input_count; i++) {
            const uint32_t exchange = chain->source.inputs[i].exchange;
            if (chain->source.inputs[i].cached_id != 0)
                continue; /* the executor knows what it keeps */
            expect(cursor, exchange < plan->exchange_count &&
                               plan->exchanges[exchange].partition_count ==
                                   chain->source.partition_count);
        }
    }
    for (uint32_t e = 0; e < plan->exchange_count; e++)
        if (plan->exchanges[e].kind == GM_EXCHANGE_RANGE)
            expect(cursor, plan->exchanges[e].samples < plan->exchange_count &&
                               plan->exchanges[plan->exchanges[e].samples].kind ==
                                   GM_EXCHANGE_SAMPLE);
}

static void read_scopes(struct gm_cursor *cursor, struct gm_plan *plan)
{
    const uint32_t scope_count = gm_cursor_count(cursor, GM_EXCHANGES_MAX, 12);
    plan->scopes = table(scope_count, sizeof *plan->scopes);
    for (uint32_t i = 0; i < scope_count && !cursor->failed; i++) {
        struct gm_plan_scope *scope = &plan->scopes[i];
        plan->scope_count = i + 1;
        gm_cursor_string(cursor, scope->name, sizeof scope->name);
        scope->lua_init = read_optional(cursor, GM_PARAM_BYTES_MAX);
        const uint32_t count = gm_cursor_count(cursor, GM_BROADCASTS_MAX, 4);
        scope->broadcasts = table(count, sizeof *scope->broadcasts);
        for (uint32_t b = 0; b < count && !cursor->failed; b++) {
            scope->broadcast_count = b + 1;
            scope->broadcasts[b].data =
                read_text(cursor, GM_BROADCAST_BYTES_MAX, &scope->broadcasts[b].bytes);
        }
    }
    const uint32_t kept_count = gm_cursor_count(cursor, GM_CACHED_MAX, 8);
    plan->kept = table(kept_count, sizeof *plan->kept);
    plan->kept_count = kept_count;
    for (uint32_t i = 0; i < kept_count && !cursor->failed; i++)
        plan->kept[i] = gm_cursor_u64(cursor);
}

int gm_plan_decode(const uint8_t *data, size_t bytes, struct gm_plan *ret_plan,
                   struct gm_error *error)
{
    struct gm_cursor cursor;
    struct gm_plan plan = {0};
    gm_cursor_init(&cursor, data, bytes);
    const uint32_t version = gm_cursor_u32(&cursor);
    if (!cursor.failed && version != PLAN_VERSION)
        return gm_error_set(error, GM_EPEER_PROTOCOL,
                            "the plan has version %u, this executor knows %u: driver and executor "
                            "must be the same program",
                            version, PLAN_VERSION);
    gm_cursor_string(&cursor, plan.name, sizeof plan.name);
    plan.input_bytes = gm_cursor_u64(&cursor);
    read_scopes(&cursor, &plan);
    const uint32_t chain_count = gm_cursor_count(&cursor, GM_EXCHANGES_MAX, 16);
    plan.chains = table(chain_count, sizeof *plan.chains);
    for (uint32_t c = 0; c < chain_count && !cursor.failed; c++) {
        plan.chain_count = c + 1;
        read_chain(&cursor, &plan.chains[c]);
    }
    const uint32_t exchange_count = gm_cursor_count(&cursor, GM_EXCHANGES_MAX, 16);
    plan.exchanges = table(exchange_count, sizeof *plan.exchanges);
    for (uint32_t e = 0; e < exchange_count && !cursor.failed; e++) {
        plan.exchange_count = e + 1;
        read_exchange(&cursor, &plan.exchanges[e]);
    }
    if (!cursor.failed)
        check_links(&cursor, &plan);
    if (!gm_cursor_done(&cursor)) {
        gm_plan_fini(&plan);
        return gm_error_set(error, GM_EPEER_PROTOCOL, "the plan of %zu bytes makes no sense",
                            bytes);
    }
    *ret_plan = plan;
    return 0;
}
