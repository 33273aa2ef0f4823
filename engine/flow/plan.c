/* plan.c - lifetime of plans and their text form. */
#include "engine/flow/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"
#include "engine/flow/pipe_spec.h"
#include "engine/flow/plan_csv.h"
#include "engine/flow/plan_write.h"
#include "engine/sink/format.h"

static void source_fini(struct gm_source *source)
{
    for (uint32_t i = 0; i < source->file_count && source->files != NULL; i++)
        free(source->files[i].path);
    for (uint32_t i = 0; i < source->string_count && source->strings != NULL; i++)
        free(source->strings[i].data);
    free(source->files);
    free(source->segments);
    free(source->partition_ends);
    free(source->strings);
    free(source->inputs);
    free(source->csv);
}

void gm_plan_fini(struct gm_plan *plan)
{
    for (uint32_t i = 0; i < plan->chain_count && plan->chains != NULL; i++) {
        struct gm_chain_plan *chain = &plan->chains[i];
        source_fini(&chain->source);
        for (uint32_t s = 0; s < chain->step_count && chain->steps != NULL; s++) {
            free(chain->steps[s].parameter);
            free(chain->steps[s].format);
            free(chain->steps[s].library);
            free(chain->steps[s].write);
        }
        free(chain->steps);
    }
    for (uint32_t i = 0; i < plan->exchange_count && plan->exchanges != NULL; i++) {
        free(plan->exchanges[i].parts);
        free(plan->exchanges[i].placed);
    }
    free(plan->chains);
    free(plan->exchanges);
    for (uint32_t i = 0; i < plan->scope_count && plan->scopes != NULL; i++) {
        struct gm_plan_scope *scope = &plan->scopes[i];
        for (uint32_t b = 0; b < scope->broadcast_count && scope->broadcasts != NULL; b++)
            free(scope->broadcasts[b].data);
        free(scope->broadcasts);
        free(scope->lua_init);
    }
    free(plan->scopes);
    free(plan->kept);
    *plan = (struct gm_plan){0};
}

bool gm_source_is_kept(const struct gm_source *source)
{
    return source->input_count == 1 && source->inputs[0].cached_id != 0;
}

bool gm_source_is_command(const struct gm_source *source)
{
    return source->file_count == 1 && source->files[0].command;
}

bool gm_source_listens(const struct gm_source *source)
{
    return source->file_count == 1 && source->files[0].listen;
}

bool gm_source_has_files(const struct gm_source *source)
{
    return source->kind == GM_SOURCE_TEXT || source->kind == GM_SOURCE_CSV;
}

uint32_t gm_plan_word_count(const struct gm_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct gm_source *source = &plan->chains[i].source;
        if (source->csv != NULL && source->csv->parity != GM_CSV_PARITY_NONE)
            count += 1 + source->segment_count;
        count += gm_source_is_command(source) || gm_source_listens(source);
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++)
        if (plan->exchanges[i].placed != NULL)
            count += plan->exchanges[i].placed->range_count;
    return count;
}

const struct gm_schema *gm_plan_input_schema(const struct gm_chain_plan *chain, uint32_t step)
{
    return step == 0 ? &chain->source.schema : &chain->steps[step - 1].schema;
}

const char *gm_step_kind_name(enum gm_step_kind kind)
{
    static const char *const names[] = {
        [GM_STEP_TOKENIZE] = "tokenize",     [GM_STEP_APPEND_ONE] = "append one",
        [GM_STEP_CAST] = "cast",             [GM_STEP_MAPPER] = "map",
        [GM_STEP_COMBINE] = "combine",       [GM_STEP_REDUCE] = "reduce",
        [GM_STEP_SORT] = "sort",             [GM_STEP_TOP] = "top",
        [GM_STEP_FORMAT] = "format",         [GM_STEP_LUA] = "lua",
        [GM_STEP_FILTER] = "filter",
        [GM_STEP_JOIN] = "join",
        [GM_STEP_SELECT] = "select",         [GM_STEP_LOCAL_LIMIT] = "local limit",
        [GM_STEP_LIMIT] = "limit",           [GM_STEP_DISTINCT] = "distinct",
        [GM_STEP_PARTIAL_DISTINCT] = "partial distinct",
        [GM_STEP_GROUP] = "group",           [GM_STEP_COGROUP] = "cogroup",
        [GM_STEP_PIPE] = "pipe",
        [GM_STEP_PIPE_ARGS] = "pipe as args",
        [GM_STEP_WRITE] = "write",           [GM_STEP_MEASURE] = "measure text",
        [GM_STEP_WHERE] = "where",           [GM_STEP_MARKS] = "marks",
        [GM_STEP_MEAN_PARTS] = "mean parts", [GM_STEP_MEAN] = "mean",
        [GM_STEP_SAMPLE] = "sample",         [GM_STEP_SAMPLE_KEYS] = "sample keys",
        [GM_STEP_DEFAULT] = "or one row of nothing",
    };
    return (unsigned)kind < GM_STEP_KINDS ? names[kind] : "?";
}

static void print_order(const struct gleam_order *order, bool directions, FILE *file)
{
    for (uint32_t i = 0; i < order->count; i++)
        fprintf(file, "%s%u%s", i > 0 ? ", " : "", order->columns[i].column,
                !directions                   ? ""
                : order->columns[i].ascending ? " ascending"
                                              : " descending");
}

static const char *reduce_name(enum gm_reduce_kind kind)
{
    static const char *const names[] = {
        [GM_REDUCE_SUM_I64] = "sum_int64", [GM_REDUCE_SUM_F64] = "sum_float64",
        [GM_REDUCE_COUNT] = "count",       [GM_REDUCE_MIN] = "min",
        [GM_REDUCE_MAX] = "max",           [GM_REDUCE_FUNCTION] = "function",
        [GM_REDUCE_LUA] = "a Lua function",
        [GM_REDUCE_SUM] = "sum",
    };
    return names[kind];
}

/* Several inputs have their own columns; a union's, if they differ, become those behind the "=". */
static void print_inputs(const struct gm_source *source, FILE *file)
{
    char schema[512], whole[512];
    if (gm_source_is_kept(source)) {
        gm_schema_format(&source->schema, schema, sizeof schema);
        fprintf(file, "  cached '%s', %u partition%s where they are kept -> %s\n", source->name,
                source->partition_count, source->partition_count == 1 ? "" : "s", schema);
        return;
    }
    /* A union is no step: its chain's source has its name. */
    if (strncmp(source->name, "exchange ", strlen("exchange ")) == 0)
        fprintf(file, "  from exchange ");
    else
        fprintf(file, "  '%s' of exchange ", source->name);
    for (uint32_t i = 0; i < source->input_count; i++)
        fprintf(file, "%s%u", i > 0 ? ", " : "", source->inputs[i].exchange);
    fprintf(file, ", %u partition%s ->", source->partition_count,
            source->partition_count == 1 ? "" : "s");
    gm_schema_format(&source->schema, whole, sizeof whole);
    bool same = true;
    for (uint32_t i = 0; i < source->input_count; i++) {
        gm_schema_format(&source->inputs[i].schema, schema, sizeof schema);
        fprintf(file, "%s %s", i > 0 ? " and" : "", schema);
        same = same && (i > 0 || strcmp(schema, whole) == 0);
    }
    if (!same)
        fprintf(file, " = %s", whole);
    fprintf(file, "\n");
}

static void print_source(const struct gm_source *source, FILE *file)
{
    char schema[512];
    char size[32];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < source->file_count; i++)
        if (source->files[i].bytes != UINT64_MAX)
            bytes += source->files[i].bytes;
    gm_schema_format(&source->schema, schema, sizeof schema);
    switch (source->kind) {
    case GM_SOURCE_TEXT:
        gm_text_format_size(bytes, size, sizeof size);
        fprintf(file, "  read %s %s%s%s, %u file%s, %s, %u partition%s%s",
                gm_source_is_command(source) ? "command"
                : source->record_bytes > 0   ? "records"
                : gm_source_listens(source)  ? "connection to"
                                             : "text",
                source->file_count > 0 ? source->files[0].path : "(no file)",
                source->file_count > 1 ? " ..." : "", source->tokenize ? " + tokenize (fused)"
                : source->blocks ? " in blocks"
                : source->counted ? " for the number of lines"
                                 : "",
                source->file_count, source->file_count == 1 ? "" : "s", size,
                source->partition_count, source->partition_count == 1 ? "" : "s",
                " claimed by free executors");
        break;
    case GM_SOURCE_CSV:
        gm_text_format_size(bytes, size, sizeof size);
        gm_plan_csv_print(source, size, file);
        break;
    case GM_SOURCE_STRINGS:
        fprintf(file, "  strings, %u row%s, %u partition%s", source->string_count,
                source->string_count == 1 ? "" : "s", source->partition_count,
                source->partition_count == 1 ? "" : "s");
        break;
    case GM_SOURCE_INTS:
        fprintf(file, "  ints %" PRId64 "..%" PRId64 ", %u partition%s", source->from, source->to,
                source->partition_count, source->partition_count == 1 ? "" : "s");
        break;
    case GM_SOURCE_EXCHANGE:
        print_inputs(source, file);
        return;
    case GM_SOURCE_KINDS:
        break;
    }
    fprintf(file, " -> %s%s\n", schema,
            source->csv != NULL && source->csv->guessed ? " (guessed)" : "");
}

static void print_join(const struct gm_step *step, FILE *file)
{
    static const char *const names[] = {
        [GLEAM_JOIN_INNER] = "inner",           [GLEAM_JOIN_LEFT_OUTER] = "left outer",
        [GLEAM_JOIN_RIGHT_OUTER] = "right outer", [GLEAM_JOIN_FULL_OUTER] = "full outer",
        [GLEAM_JOIN_LEFT_SEMI] = "left semi",   [GLEAM_JOIN_LEFT_ANTI] = "left anti",
    };
    if (step->order.count == 0) {
        fprintf(file, " (cross)");
        return;
    }
    if (step->kind == GM_STEP_JOIN)
        fprintf(file, " (%s)", names[step->join]);
    fprintf(file, " left column ");
    print_order(&step->order, false, file);
    fprintf(file, " with right column ");
    print_order(&step->right_keys, false, file);
}

static void print_where(const struct gm_step *step, FILE *file)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">=", "is null", "is not null"};
    struct gleam_value list = gleam_bytes(step->parameter, step->parameter_bytes), value;
    char text[60];
    size_t offset = 0;
    list.kind = GLEAM_LIST;
    fprintf(file, " column %u %s", step->order.columns[0].column, names[step->comparison]);
    if (step->comparison < GLEAM_IS_NULL && gleam_list_next(&list, &offset, &value)) {
        gm_format_value(&value, text, sizeof text);
        fprintf(file, value.kind == GLEAM_BYTES ? " '%s'" : " %s", text);
    }
}

static void print_limit(const struct gm_step *step, FILE *file)
{
    fprintf(file, " %" PRIu64, step->count);
    if (step->offset > 0)
        fprintf(file, " behind %" PRIu64, step->offset);
    if (step->stops_source)
        fprintf(file, ", then stop reading");
}

static void print_reduce(const struct gm_step *step, FILE *file)
{
    fprintf(file, step->order.count > 0 ? " by column " : " all rows");
    print_order(&step->order, false, file);
    if (step->reduce == GM_REDUCE_FUNCTION)
        fprintf(file, " with function %s", step->function);
    else
        fprintf(file, " with %s", reduce_name(step->reduce));
}

static void print_step(const struct gm_step *step, FILE *file)
{
    char schema[512];
    gm_schema_format(&step->schema, schema, sizeof schema);
    fprintf(file, "  %s", gm_step_kind_name(step->kind));
    if (strcmp(step->name, gm_step_kind_name(step->kind)) != 0)
        fprintf(file, " '%s'", step->name);
    switch (step->kind) {
    case GM_STEP_COMBINE:
    case GM_STEP_REDUCE:
        print_reduce(step, file);
        break;
    case GM_STEP_TOP:
        fprintf(file, " %" PRIu64, step->count);
        /* fall through */
    case GM_STEP_SORT:
        fprintf(file, " by column ");
        print_order(&step->order, true, file);
        break;
    case GM_STEP_WRITE:
        gm_plan_write_print(step->write, file);
        break;
    case GM_STEP_MAPPER:
    case GM_STEP_FILTER:
        fprintf(file, " with function %s", step->function);
        if (step->library != NULL)
            fprintf(file, " of %s", step->library);
        break;
    case GM_STEP_LUA:
        fprintf(file, " (%s)", gm_lua_mode_name(step->lua_mode));
        break;
    case GM_STEP_JOIN:
    case GM_STEP_COGROUP:
        print_join(step, file);
        break;
    case GM_STEP_MARKS:
    case GM_STEP_MEAN_PARTS:
    case GM_STEP_MEAN:
    case GM_STEP_PARTIAL_DISTINCT:
    case GM_STEP_DISTINCT:
    case GM_STEP_GROUP:
        fprintf(file, "%s", step->order.count > 0 ? " by column " : "");
        print_order(&step->order, false, file);
        break;
    case GM_STEP_WHERE:
        print_where(step, file);
        break;
    case GM_STEP_SELECT:
        fprintf(file, " column ");
        print_order(&step->order, false, file);
        break;
    case GM_STEP_LOCAL_LIMIT:
    case GM_STEP_LIMIT:
        print_limit(step, file);
        break;
    case GM_STEP_PIPE:
    case GM_STEP_PIPE_ARGS:
        gm_pipe_spec_print(step, file);
        break;
    case GM_STEP_SAMPLE:
        fprintf(file, " %.6g", (double)step->count / 0x1p32);
        break;
    default:
        break;
    }
    if (step->note[0] != '\0')
        fprintf(file, " (%s)", step->note);
    fprintf(file, " -> %s%s%s\n", schema, step->where[0] ? "   # " : "", step->where);
}

static void print_exchange(const struct gm_exchange_plan *exchange, uint32_t index, FILE *file)
{
    switch (exchange->kind) {
    case GM_EXCHANGE_HASH:
        fprintf(file, "  => exchange %u: hash of column ", index);
        print_order(&exchange->keys, false, file);
        fprintf(file, " to %u partition%s\n", exchange->partition_count,
                exchange->partition_count == 1 ? "" : "s");
        break;
    case GM_EXCHANGE_GATHER:
        fprintf(file, "  => exchange %u: gather%s to 1 partition\n", index,
                exchange->ordered ? " in order" : "");
        break;
    case GM_EXCHANGE_OUTPUT:
        if (exchange->cached_id != 0)
            fprintf(file, "  => exchange %u: kept %s; counts to the driver\n", index,
                    exchange->on_disk ? "on disk" : "in memory, on disk when that is spent");
        else if (exchange->parts != NULL)
            fprintf(file, "  => exchange %u: written to %s/part-*%s; counts to the driver\n", index,
                    exchange->parts->target, exchange->parts->suffix);
        else if (exchange->placed != NULL)
            fprintf(file, "  => exchange %u: each range to its place in %s\n", index,
                    exchange->placed->target);
        else
            fprintf(file, "  => exchange %u: gather%s to output %u in the driver\n", index,
                    exchange->ordered ? " in order" : "", exchange->output);
        break;
    case GM_EXCHANGE_RANGE:
        fprintf(file, "  => exchange %u: ranges of column ", index);
        print_order(&exchange->keys, true, file);
        fprintf(file, " to %u partitions, by samples in exchange %u\n", exchange->partition_count,
                exchange->samples);
        break;
    case GM_EXCHANGE_MERGE:
        if (exchange->keys.count > 0) {
            fprintf(file, "  => exchange %u: stays in its %u partition%s, by the hash of column ",
                    index, exchange->partition_count, exchange->partition_count == 1 ? "" : "s");
            print_order(&exchange->keys, false, file);
            fprintf(file, "\n");
            break;
        }
        fprintf(file, "  => exchange %u: merge to %u partition%s\n", index,
                exchange->partition_count, exchange->partition_count == 1 ? "" : "s");
        break;
    case GM_EXCHANGE_SAMPLE: /* told with the one that it serves */
        break;
    default:
        fprintf(file, "  => exchange %u: %s to %u partition%s\n", index,
                exchange->kind == GM_EXCHANGE_ROUND_ROBIN ? "round robin" : "broadcast",
                exchange->partition_count, exchange->partition_count == 1 ? "" : "s");
    }
}

void gm_plan_print(const struct gm_plan *plan, uint32_t executor_count, FILE *file)
{
    fprintf(file, "flow '%s': 1 region, %u chain%s, %u exchange%s, %u executor%s\n", plan->name,
            plan->chain_count, plan->chain_count == 1 ? "" : "s", plan->exchange_count,
            plan->exchange_count == 1 ? "" : "s", executor_count, executor_count == 1 ? "" : "s");
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        fprintf(file, "chain %u", c);
        if (chain->yields_to > 0)
            fprintf(file, ", which lets chain %u go first", chain->yields_to - 1);
        fprintf(file, "\n");
        print_source(&chain->source, file);
        for (uint32_t s = 0; s < chain->step_count; s++)
            print_step(&chain->steps[s], file);
        print_exchange(&plan->exchanges[chain->exchange], chain->exchange, file);
    }
}

void gm_plan_print_source(const struct gm_source *source, FILE *file)
{
    print_source(source, file);
}

void gm_plan_print_step(const struct gm_step *step, FILE *file)
{
    print_step(step, file);
}

void gm_plan_print_exchange(const struct gm_exchange_plan *exchange, uint32_t index, FILE *file)
{
    print_exchange(exchange, index, file);
}
