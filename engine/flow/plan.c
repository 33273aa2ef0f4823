/* plan.c - lifetime of plans and their text form. */
#include "engine/flow/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text.h"

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
}

void gm_plan_fini(struct gm_plan *plan)
{
    for (uint32_t i = 0; i < plan->chain_count && plan->chains != NULL; i++) {
        struct gm_chain_plan *chain = &plan->chains[i];
        source_fini(&chain->source);
        for (uint32_t s = 0; s < chain->step_count && chain->steps != NULL; s++) {
            free(chain->steps[s].parameter);
            free(chain->steps[s].format);
        }
        free(chain->steps);
    }
    free(plan->chains);
    free(plan->exchanges);
    *plan = (struct gm_plan){0};
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
        [GM_STEP_FORMAT] = "format",
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
    };
    return names[kind];
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
                source->record_bytes > 0 ? "records" : "text",
                source->file_count > 0 ? source->files[0].path : "(no file)",
                source->file_count > 1 ? " ..." : "", source->tokenize ? " + tokenize (fused)" : "",
                source->file_count, source->file_count == 1 ? "" : "s", size,
                source->partition_count, source->partition_count == 1 ? "" : "s",
                " claimed by free executors");
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
        fprintf(file, "  from exchange %u, %u partition%s", source->exchange,
                source->partition_count, source->partition_count == 1 ? "" : "s");
        break;
    }
    fprintf(file, " -> %s\n", schema);
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
        fprintf(file, " by column ");
        print_order(&step->order, false, file);
        if (step->reduce == GM_REDUCE_FUNCTION)
            fprintf(file, " with function %s", step->function);
        else
            fprintf(file, " with %s", reduce_name(step->reduce));
        break;
    case GM_STEP_TOP:
        fprintf(file, " %" PRIu64, step->count);
        /* fall through */
    case GM_STEP_SORT:
        fprintf(file, " by column ");
        print_order(&step->order, true, file);
        break;
    case GM_STEP_MAPPER:
        fprintf(file, " with function %s", step->function);
        break;
    default:
        break;
    }
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
        fprintf(file, "  => exchange %u: gather to 1 partition\n", index);
        break;
    case GM_EXCHANGE_OUTPUT:
        fprintf(file, "  => exchange %u: gather%s to output %u in the driver\n", index,
                exchange->ordered ? " in order" : "", exchange->output);
        break;
    case GM_EXCHANGE_RANGE:
        fprintf(file, "  => exchange %u: ranges of column ", index);
        print_order(&exchange->keys, true, file);
        fprintf(file, " to %u partitions, by samples in exchange %u\n", exchange->partition_count,
                exchange->samples);
        break;
    case GM_EXCHANGE_SAMPLE: /* told with the one that it serves */
        break;
    }
}

void gm_plan_print(const struct gm_plan *plan, uint32_t executor_count, FILE *file)
{
    fprintf(file, "flow '%s': 1 region, %u chain%s, %u exchange%s, %u executor%s\n", plan->name,
            plan->chain_count, plan->chain_count == 1 ? "" : "s", plan->exchange_count,
            plan->exchange_count == 1 ? "" : "s", executor_count, executor_count == 1 ? "" : "s");
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        fprintf(file, "chain %u\n", c);
        print_source(&chain->source, file);
        for (uint32_t s = 0; s < chain->step_count; s++)
            print_step(&chain->steps[s], file);
        print_exchange(&plan->exchanges[chain->exchange], chain->exchange, file);
    }
}
