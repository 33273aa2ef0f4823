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

static inline void random_source(uint64_t *random, struct gm_source *source)
{
    source->kind = (enum gm_source_kind)random_below(random, GM_SOURCE_EXCHANGE + 1);
    random_text(random, source->name, sizeof source->name);
    random_plan_schema(random, &source->schema);
    source->partition_count = 1 + random_below(random, 20);
    source->tokenize = random_below(random, 2);
    random_text(random, source->tokenize_name, sizeof source->tokenize_name);
    source->record_bytes = random_below(random, 2) * random_below(random, 1000);
    source->key_bytes = random_below(random, source->record_bytes + 1);
    source->file_count = random_below(random, 5);
    source->files = random_table(source->file_count, sizeof *source->files);
    for (uint32_t i = 0; i < source->file_count; i++) {
        source->files[i].path = random_string(random);
        source->files[i].bytes = random_below(random, 3) ? random_next(random) : UINT64_MAX;
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
    if (source->kind == GM_SOURCE_TEXT) {
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
    source->from = (int64_t)random_next(random);
    source->to = (int64_t)random_next(random);
}

static inline void random_step(uint64_t *random, const struct gm_schema *input,
                               struct gm_step *step)
{
    step->kind = (enum gm_step_kind)random_below(random, GM_STEP_KINDS);
    random_text(random, step->name, sizeof step->name);
    random_text(random, step->where, sizeof step->where);
    random_plan_schema(random, &step->schema);
    random_plan_order(random, input, &step->order);
    step->count = random_next(random);
    step->reduce = (enum gm_reduce_kind)random_below(random, GM_REDUCE_FUNCTION + 1);
    random_text(random, step->function, sizeof step->function);
    step->parameter_bytes = random_below(random, 40);
    step->parameter = random_table(step->parameter_bytes, 1);
    for (uint32_t i = 0; i < step->parameter_bytes; i++)
        ((uint8_t *)step->parameter)[i] = (uint8_t)random_next(random);
    step->format = random_string(random);
}

/* Every chain feeds the exchange of its number; a chain that reads one reads an earlier one. */
static inline void random_plan(uint64_t *random, struct gm_plan *plan)
{
    *plan = (struct gm_plan){.input_bytes = random_next(random)};
    random_text(random, plan->name, sizeof plan->name);
    plan->chain_count = 1 + random_below(random, 4);
    plan->exchange_count = plan->chain_count;
    plan->chains = random_table(plan->chain_count, sizeof *plan->chains);
    plan->exchanges = random_table(plan->exchange_count, sizeof *plan->exchanges);
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        struct gm_chain_plan *chain = &plan->chains[i];
        struct gm_exchange_plan *exchange = &plan->exchanges[i];
        exchange->kind = (enum gm_exchange_kind)random_below(random, GM_EXCHANGE_OUTPUT + 1);
        random_plan_schema(random, &exchange->schema);
        exchange->partition_count = 1 + random_below(random, 20);
        random_plan_order(random, &exchange->schema, &exchange->keys);
        exchange->output = random_below(random, 9);
        exchange->ordered = random_below(random, 2);
        exchange->samples = random_below(random, i + 1);
        if (random_below(random, 5) == 0 || plan->exchanges[exchange->samples].kind ==
                                                GM_EXCHANGE_SAMPLE)
            exchange->kind = random_below(random, 2) ? GM_EXCHANGE_RANGE : GM_EXCHANGE_SAMPLE;
        /* Only the exchange of samples can be one. */
        if (exchange->kind == GM_EXCHANGE_RANGE &&
            plan->exchanges[exchange->samples].kind != GM_EXCHANGE_SAMPLE)
            exchange->kind = GM_EXCHANGE_SAMPLE;
        random_source(random, &chain->source);
        chain->source.exchange = random_below(random, i + 1);
        if (chain->source.kind == GM_SOURCE_EXCHANGE)
            chain->source.partition_count =
                plan->exchanges[chain->source.exchange].partition_count;
        chain->claim = random_below(random, i + 1);
        chain->exchange = i;
        chain->step_count = random_below(random, 5);
        chain->steps = random_table(chain->step_count, sizeof *chain->steps);
        for (uint32_t s = 0; s < chain->step_count; s++)
            random_step(random, gm_plan_input_schema(chain, s), &chain->steps[s]);
    }
}

#endif
