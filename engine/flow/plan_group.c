/* plan_group.c - steps that bring the rows of a key together: distinct, group, and the folds that
 * are made of several steps. */
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

int gm_planner_check_keys(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_order *keys)
{
    int rc = check_order(planner, node, keys);
    for (uint32_t i = 0; i < keys->count && rc == 0; i++)
        for (uint32_t j = 0; j < i; j++)
            if (keys->columns[i].column == keys->columns[j].column)
                return refuse(planner, node, "a key column is named twice");
    return rc;
}

/* ---- folds ----------------------------------------------------------------------------------- */

/* Nobody asks what is in the lines. */
static bool only_counts_lines(const struct planner *planner, const struct gleam_order *keys,
                              enum gm_reduce_kind kind)
{
    const struct gm_source *source = &planner->chain->source;
    return kind == GM_REDUCE_COUNT && keys->count == 0 && planner->chain->step_count == 0 &&
           source->kind == GM_SOURCE_TEXT && !source->tokenize && source->record_bytes == 0;
}

void gm_planner_fold_here(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_order *keys, enum gm_reduce_kind kind)
{
    gm_planner_place_select(planner, keys); /* they come first from now on */
    struct gm_step *reduce = add_step(planner, GM_STEP_REDUCE, node);
    reduce->order = *keys;
    reduce->reduce = kind;
    copy_function(reduce, node);
}

void gm_planner_default(struct planner *planner, const struct gleam_dataset *node, bool nulls)
{
    struct gm_schema *schema = &planner->schema;
    for (uint32_t i = 0; i < schema->field_count && nulls; i++)
        schema->fields[i].nullable = schema->fields[i].kind != GLEAM_ANY;
    add_step(planner, GM_STEP_DEFAULT, node);
}

int gm_planner_fold(struct planner *planner, const struct gleam_dataset *node,
                    const struct gleam_order *from, enum gm_reduce_kind kind)
{
    if (gm_planner_is_placed(planner, from)) {
        gm_planner_fold_here(planner, node, from, kind);
        return 0;
    }
    planner->chain->source.counted = only_counts_lines(planner, from, kind);
    struct gm_step *combine = add_step(planner, GM_STEP_COMBINE, node);
    combine->order = *from;
    combine->reduce = kind;
    copy_function(combine, node);

    const struct gleam_order keys = leading_columns(from->count);
    const bool keyed = keys.count > 0;
    int rc = cut(planner, node,
                 (struct gm_exchange_plan){
                     .kind = keyed ? GM_EXCHANGE_HASH : GM_EXCHANGE_GATHER,
                     .keys = keys,
                     .partition_count =
                         keyed ? gm_planner_partitions(planner, node, planner->partition_count)
                               : 1,
                     .ordered = !keyed && planner->ranges});
    if (rc < 0)
        return rc;
    struct gm_step *reduce = add_step(planner, GM_STEP_REDUCE, node);
    reduce->order = keys;
    reduce->reduce = kind == GM_REDUCE_COUNT ? GM_REDUCE_SUM_I64 : kind;
    copy_function(reduce, node);
    return 0;
}

/* ---- distinct -------------------------------------------------------------------------------- */

static struct gm_exchange_plan by_hash(const struct planner *planner,
                                       const struct gleam_dataset *node,
                                       const struct gleam_order *keys)
{
    return (struct gm_exchange_plan){
        .kind = GM_EXCHANGE_HASH,
        .keys = *keys,
        .partition_count = gm_planner_partitions(planner, node, planner->partition_count)};
}

static void add_distinct(struct planner *planner, const struct gleam_dataset *node,
                         const struct gleam_order *keys)
{
    struct gm_step *step = add_step(planner, GM_STEP_DISTINCT, node);
    step->order = *keys;
    /* Rows of one origin come in order, those of several do not. */
    step->seeks_first = keys->count < planner->schema.field_count &&
                        planner->chain->source.kind == GM_SOURCE_EXCHANGE;
}

static int plan_distinct(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gleam_order keys = node->order.count > 0
                                        ? node->order
                                        : leading_columns(planner->schema.field_count);
    int rc = gm_planner_check_keys(planner, node, &keys);
    if (rc < 0)
        return rc;
    if (!node->local && planner->chain->source.partition_count > 1 &&
        !gm_planner_is_placed(planner, &keys)) {
        add_step(planner, GM_STEP_PARTIAL_DISTINCT, node)->order = keys;
        rc = cut(planner, node, by_hash(planner, node, &keys));
        if (rc < 0)
            return rc;
    }
    add_distinct(planner, node, &keys);
    return 0;
}

/* ---- group ----------------------------------------------------------------------------------- */

int gm_planner_add_list(struct planner *planner, const struct gleam_dataset *node,
                        const struct gm_schema *from, const struct gleam_order *keys,
                        const char *name, struct gm_schema *schema)
{
    if (keys->count >= from->field_count)
        return refuse(planner, node, "every column is a key: nothing is left to make a list of");
    return gm_schema_add(schema, name, GLEAM_ANY, false) < 0
               ? refuse(planner, node, "its rows would have more than 64 columns")
               : 0;
}

static int plan_group(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gm_schema from = planner->schema;
    struct gm_schema schema = {0};
    const char *name = "values";
    int rc = gm_planner_check_keys(planner, node, &node->order);
    for (uint32_t i = 0; i < node->order.count && rc == 0; i++)
        schema.fields[schema.field_count++] = from.fields[node->order.columns[i].column - 1];
    for (uint32_t i = 0; i < from.field_count; i++)
        if (from.field_count == node->order.count + 1 && !in_order(&node->order, i + 1))
            name = from.fields[i].name;
    if (rc == 0)
        rc = gm_planner_add_list(planner, node, &from, &node->order, name, &schema);
    if (rc == 0 && !node->local && planner->chain->source.partition_count > 1 &&
        !gm_planner_is_placed(planner, &node->order))
        rc = cut(planner, node, by_hash(planner, node, &node->order));
    if (rc < 0)
        return rc;
    planner->schema = schema;
    gm_planner_place_select(planner, &node->order);
    add_step(planner, GM_STEP_GROUP, node)->order = node->order;
    return 0;
}

/* ---- mean ------------------------------------------------------------------------------------ */

/* Keys may be none: then all rows are one group. */
static int check_fold(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = node->order.count > 0 ? gm_planner_check_keys(planner, node, &node->order) : 0;
    if (rc == 0 && node->order.count >= planner->schema.field_count)
        return refuse(planner, node, "every column is a key: nothing is left to fold");
    return rc;
}

/* The key columns of a schema, in their order. */
static struct gm_schema key_fields(const struct gm_schema *from, const struct gleam_order *keys)
{
    struct gm_schema schema = {0};
    for (uint32_t i = 0; i < keys->count; i++)
        schema.fields[schema.field_count++] = from->fields[keys->columns[i].column - 1];
    return schema;
}

static int plan_avg(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_fold(planner, node);
    if (rc < 0)
        return rc;
    const struct gm_schema from = planner->schema;
    struct gm_schema parts = key_fields(&from, &node->order), means = parts;
    const uint32_t value_count = from.field_count - node->order.count;
    if (2 * value_count > GM_REDUCE_VALUES_MAX ||
        node->order.count + 2 * value_count > GM_FIELDS_MAX)
        return refuse(planner, node, "it averages more than 16 columns, or beside too many keys");
    for (uint32_t i = 0; i < from.field_count; i++) {
        const struct gm_field *field = &from.fields[i];
        if (in_order(&node->order, i + 1))
            continue;
        if (field->kind != GLEAM_I64 && field->kind != GLEAM_F64) {
            char text[200];
            snprintf(text, sizeof text, "it averages i64 and f64, but column '%s' is %s%s",
                     field->name, gm_kind_name(field->kind),
                     field->kind == GLEAM_ANY ? ": declare it with gleam_as" : "");
            return refuse(planner, node, text);
        }
        gm_schema_add(&parts, field->name, GLEAM_F64, false);
        gm_schema_add(&means, field->name, GLEAM_F64, field->nullable);
    }
    for (uint32_t v = 0; v < value_count; v++)
        gm_schema_add(&parts, "count", GLEAM_I64, false);
    planner->schema = parts;
    gm_planner_place_select(planner, &node->order);
    add_step(planner, GM_STEP_MEAN_PARTS, node)->order = node->order;
    const struct gleam_order keys = leading_columns(node->order.count);
    rc = gm_planner_fold(planner, node, &keys, GM_REDUCE_SUM);
    if (rc < 0)
        return rc;
    planner->schema = means;
    add_step(planner, GM_STEP_MEAN, node)->order = keys;
    if (node->always)
        gm_planner_default(planner, node, true);
    return 0;
}

/* ---- number of distinct values --------------------------------------------------------------- */

/* Distinct rows of keys and value; a null is no value.  Rows of one key are in one partition then,
 * but without a key they are spread by their values, and the counts added up. */
static int plan_count_distinct(struct planner *planner, const struct gleam_dataset *node)
{
    const uint32_t key_count = node->order.count;
    struct gleam_order columns = node->order;
    int rc = check_fold(planner, node);
    if (rc < 0)
        return rc;
    if (planner->schema.field_count != key_count + 1)
        return refuse(planner, node, "it counts the values of one column: select the keys and "
                                     "that column before");
    for (uint32_t i = 0; i < planner->schema.field_count; i++)
        if (!in_order(&node->order, i + 1))
            columns = gleam_then_by(columns, i + 1, true);
    gm_planner_select(planner, node, &columns);
    const struct gleam_order all = leading_columns(key_count + 1);
    const struct gleam_order keys = leading_columns(key_count);
    const struct gleam_order spread = leading_columns(key_count > 0 ? key_count : 1);
    if (!gm_planner_is_placed(planner, &spread)) {
        add_step(planner, GM_STEP_PARTIAL_DISTINCT, node)->order = all;
        rc = cut(planner, node, by_hash(planner, node, &spread));
        if (rc < 0)
            return rc;
    }
    add_distinct(planner, node, &all);
    struct gm_schema schema = key_fields(&planner->schema, &keys);
    gm_schema_add(&schema, "count", GLEAM_I64, false);
    planner->schema = schema;
    add_step(planner, GM_STEP_MARKS, node)->order = keys;
    if (key_count > 0) {
        gm_planner_fold_here(planner, node, &keys, GM_REDUCE_SUM_I64);
        return 0;
    }
    rc = gm_planner_fold(planner, node, &keys, GM_REDUCE_SUM_I64);
    if (rc == 0 && node->always)
        gm_planner_default(planner, node, false);
    return rc;
}

/* ---- number of values ------------------------------------------------------------------------ */

static int plan_count_values(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_fold(planner, node);
    if (rc < 0)
        return rc;
    struct gm_schema schema = key_fields(&planner->schema, &node->order);
    for (uint32_t i = 0; i < planner->schema.field_count; i++)
        if (!in_order(&node->order, i + 1))
            gm_schema_add(&schema, planner->schema.fields[i].name, GLEAM_I64, false);
    if (schema.field_count - node->order.count > GM_REDUCE_VALUES_MAX)
        return refuse(planner, node, "it counts the values of more than 32 columns");
    planner->schema = schema;
    gm_planner_place_select(planner, &node->order);
    add_step(planner, GM_STEP_MARKS, node)->order = node->order;
    const struct gleam_order keys = leading_columns(node->order.count);
    rc = gm_planner_fold(planner, node, &keys, GM_REDUCE_SUM_I64);
    if (rc == 0 && node->always)
        gm_planner_default(planner, node, false);
    return rc;
}

int gm_planner_group_step(struct planner *planner, const struct gleam_dataset *node)
{
    switch (node->kind) {
    case GM_NODE_DISTINCT:
        return plan_distinct(planner, node);
    case GM_NODE_AVG:
        return plan_avg(planner, node);
    case GM_NODE_COUNT_DISTINCT:
        return plan_count_distinct(planner, node);
    case GM_NODE_COUNT_VALUES:
        return plan_count_values(planner, node);
    default:
        GM_CHECK(node->kind == GM_NODE_GROUP);
        return plan_group(planner, node);
    }
}
