/* prune.c - finds the first select, marks what is named before it, and numbers the rest anew. */
#include "engine/flow/prune.h"

/* Steps that pass their columns on, and read those of their order alone. */
static bool passes_columns(const struct gm_step *step)
{
    return step->kind == GM_STEP_WHERE || step->kind == GM_STEP_LOCAL_LIMIT;
}

/* Steps up to the first select, with it; 0: something needs whole rows before. */
static uint32_t steps_to_select(const struct gm_chain_plan *chain)
{
    for (uint32_t i = 0; i < chain->step_count; i++) {
        if (chain->steps[i].kind == GM_STEP_SELECT)
            return i + 1;
        if (!passes_columns(&chain->steps[i]))
            return 0;
    }
    return 0;
}

/* Whether a value of this column may be bad, and decides then whether there is a row. */
static bool decides(const struct gm_source *source, uint32_t column)
{
    return source->csv->format.on_error == GM_CSV_SKIP &&
           (source->csv->json || source->schema.fields[column].kind != GLEAM_BYTES);
}

/* Leaves the wanted columns in a schema. */
static void keep(struct gm_schema *schema, const bool *wanted)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (wanted[c])
            schema->fields[count++] = schema->fields[c];
    schema->field_count = count;
}

static void prune_source(struct gm_source *source, const bool *wanted)
{
    struct gm_csv_format *format = &source->csv->format;
    uint32_t count = 0;
    for (uint32_t c = 0; c < format->column_count; c++)
        if (wanted[c])
            format->columns[count++] = format->columns[c];
    format->column_count = count;
    /* Objects have members by name, and as many as they like. */
    if (source->csv->json) {
        format->field_count = count;
        for (uint32_t c = 0; c < count; c++)
            format->columns[c].field = (uint16_t)c;
    }
    keep(&source->schema, wanted);
}

static void prune_chain(struct gm_chain_plan *chain)
{
    bool wanted[GM_FIELDS_MAX] = {false};
    uint32_t number[GM_FIELDS_MAX]; /* of a wanted column, from 1 */
    const uint32_t step_count = steps_to_select(chain);
    const uint32_t column_count = chain->source.schema.field_count;
    uint32_t wanted_count = 0;
    for (uint32_t i = 0; i < step_count; i++)
        for (uint32_t k = 0; k < chain->steps[i].order.count; k++)
            wanted[chain->steps[i].order.columns[k].column - 1] = true;
    for (uint32_t c = 0; c < column_count; c++) {
        wanted[c] = wanted[c] || decides(&chain->source, c);
        wanted_count += wanted[c];
        number[c] = wanted_count;
    }
    if (step_count == 0 || wanted_count == column_count)
        return;
    prune_source(&chain->source, wanted);
    for (uint32_t i = 0; i < step_count; i++) {
        struct gm_step *step = &chain->steps[i];
        for (uint32_t k = 0; k < step->order.count; k++)
            step->order.columns[k].column = number[step->order.columns[k].column - 1];
        if (step->kind != GM_STEP_SELECT)
            keep(&step->schema, wanted);
    }
}

void gm_plan_prune(struct gm_plan *plan)
{
    for (uint32_t i = 0; i < plan->chain_count; i++)
        if (plan->chains[i].source.kind == GM_SOURCE_CSV)
            prune_chain(&plan->chains[i]);
}
