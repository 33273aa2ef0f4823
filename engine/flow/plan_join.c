/* plan_join.c - the steps where several datasets meet: joins, cogroups and unions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

/* One of the datasets that meet, planned up to its exchange. */
struct arm {
    struct gm_schema schema;
    uint32_t chain;
    uint32_t exchange;
    uint32_t partition_count; /* as the person counts */
};

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_number(uint8_t kind)
{
    return kind == GLEAM_I64 || kind == GLEAM_F64;
}

bool gm_planner_may_be_equal(uint8_t left, uint8_t right)
{
    return left == right || left == GLEAM_ANY || right == GLEAM_ANY ||
           (is_number(left) && is_number(right));
}

static int check_kinds(struct planner *planner, const struct gleam_dataset *node,
                       const struct arm arms[2])
{
    char text[256];
    if (node->order.count != node->right_keys.count) {
        snprintf(text, sizeof text, "it has %u key columns on the left and %u on the right",
                 node->order.count, node->right_keys.count);
        return refuse(planner, node, text);
    }
    for (uint32_t i = 0; i < node->order.count; i++) {
        const struct gm_field *left = &arms[0].schema.fields[node->order.columns[i].column - 1];
        const struct gm_field *right =
            &arms[1].schema.fields[node->right_keys.columns[i].column - 1];
        if (gm_planner_may_be_equal(left->kind, right->kind))
            continue;
        snprintf(text, sizeof text,
                 "the left key '%s' is %s and the right key '%s' is %s: they are never equal; "
                 "convert one in a mapper",
                 left->name, gm_kind_name(left->kind), right->name, gm_kind_name(right->kind));
        return refuse(planner, node, text);
    }
    return 0;
}

/* One key column of the same kind without nulls on both sides has the same plain form on both. */
static bool needs_tags(const struct gleam_dataset *node, const struct arm arms[2])
{
    if (node->order.count != 1)
        return false; /* several are always tagged */
    const struct gm_field *left = &arms[0].schema.fields[node->order.columns[0].column - 1];
    const struct gm_field *right = &arms[1].schema.fields[node->right_keys.columns[0].column - 1];
    return left->kind != right->kind || left->nullable != right->nullable;
}

/* ---- the result's columns -------------------------------------------------------------------- */

static int add_field(struct gm_schema *schema, const struct gm_field *field, bool nullable)
{
    int rc = gm_schema_add(schema, field->name, (enum gleam_kind)field->kind, nullable);
    return rc;
}

static int add_keys(const struct gleam_dataset *node, const struct arm arms[2],
                    struct gm_schema *schema)
{
    int rc = 0;
    for (uint32_t i = 0; i < node->order.count && rc == 0; i++) {
        struct gm_field field = arms[0].schema.fields[node->order.columns[i].column - 1];
        const struct gm_field *right =
            &arms[1].schema.fields[node->right_keys.columns[i].column - 1];
        /* Which side the value comes from: join.c. */
        if (node->join == GLEAM_JOIN_RIGHT_OUTER)
            field.kind = right->kind;
        else if (node->join == GLEAM_JOIN_FULL_OUTER && field.kind != right->kind)
            field.kind = GLEAM_ANY;
        const bool left_null =
            field.nullable && (node->join == GLEAM_JOIN_LEFT_OUTER ||
                               node->join == GLEAM_JOIN_FULL_OUTER ||
                               node->join == GLEAM_JOIN_LEFT_ANTI);
        const bool right_null =
            right->nullable && (node->join == GLEAM_JOIN_RIGHT_OUTER ||
                                node->join == GLEAM_JOIN_FULL_OUTER);
        rc = add_field(schema, &field, left_null || right_null);
    }
    return rc;
}

static int add_others(const struct gm_schema *from, const struct gleam_order *keys,
                      bool may_be_missing, struct gm_schema *schema)
{
    int rc = 0;
    for (uint32_t i = 0; i < from->field_count && rc == 0; i++)
        if (!in_order(keys, i + 1))
            rc = add_field(schema, &from->fields[i], from->fields[i].nullable || may_be_missing);
    return rc;
}

static bool is_filter(const struct gleam_dataset *node)
{
    return node->join == GLEAM_JOIN_LEFT_SEMI || node->join == GLEAM_JOIN_LEFT_ANTI;
}

static int join_schema(struct planner *planner, const struct gleam_dataset *node,
                       const struct arm arms[2], struct gm_schema *ret_schema)
{
    struct gm_schema schema = {0};
    const bool full = node->join == GLEAM_JOIN_FULL_OUTER;
    int rc = add_keys(node, arms, &schema);
    if (rc == 0)
        rc = add_others(&arms[0].schema, &node->order,
                        full || node->join == GLEAM_JOIN_RIGHT_OUTER, &schema);
    if (rc == 0 && !is_filter(node))
        rc = add_others(&arms[1].schema, &node->right_keys,
                        full || node->join == GLEAM_JOIN_LEFT_OUTER, &schema);
    if (rc < 0)
        return refuse(planner, node, "its rows would have more than 64 columns: select fewer "
                                     "before it");
    *ret_schema = schema;
    return 0;
}

/* ---- arms ------------------------------------------------------------------------------------ */

/* Plans what leads to a dataset, and an exchange behind it whose number of partitions is settled
 * when all arms are there. */
static int plan_arm(struct planner *planner, const struct gleam_dataset *node,
                    struct gleam_dataset *input, struct gm_exchange_plan exchange,
                    struct arm *ret_arm)
{
    int rc = gm_planner_path(planner, input);
    if (rc == 0 && (exchange.kind == GM_EXCHANGE_HASH || exchange.keys.count > 0))
        rc = gm_planner_check_keys(planner, node, &exchange.keys);
    if (exchange.kind != GM_EXCHANGE_HASH)
        exchange.keys.count = 0;
    if (rc < 0)
        return rc;
    ret_arm->partition_count = planner->partition_count;
    rc = gm_planner_end_chain(planner, node, exchange);
    ret_arm->chain = (uint32_t)(planner->chain - planner->plan.chains);
    ret_arm->exchange = planner->chain->exchange;
    ret_arm->schema = planner->schema;
    return rc;
}

/* What only says whether there is a partner needs no more than its keys. */
static int plan_keys_alone(struct planner *planner, const struct gleam_dataset *node,
                           struct gleam_dataset *input, struct arm *ret_arm)
{
    int rc = gm_planner_path(planner, input);
    if (rc == 0)
        rc = gm_planner_check_keys(planner, node, &node->right_keys);
    if (rc < 0)
        return rc;
    gm_planner_select(planner, node, &node->right_keys);
    ret_arm->partition_count = planner->partition_count;
    rc = gm_planner_end_chain(
        planner, node,
        (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                  .keys = leading_columns(node->right_keys.count)});
    ret_arm->chain = (uint32_t)(planner->chain - planner->plan.chains);
    ret_arm->exchange = planner->chain->exchange;
    ret_arm->schema = planner->schema;
    return rc;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void begin_meeting(struct planner *planner, const struct arm *arms, uint32_t count,
                          uint32_t partition_count)
{
    uint32_t exchanges[GM_EXCHANGES_MAX];
    GM_CHECK(count <= GM_EXCHANGES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        exchanges[i] = arms[i].exchange;
        planner->plan.exchanges[exchanges[i]].partition_count = partition_count;
    }
    gm_planner_begin_chain(planner, exchanges, count);
}

/* ---- the steps ------------------------------------------------------------------------------- */

static int plan_join(struct planner *planner, struct gleam_dataset *node)
{
    const bool to_all = node->order.count == 0 || node->broadcast;
    const enum gm_exchange_kind kind = to_all ? GM_EXCHANGE_MERGE : GM_EXCHANGE_HASH;
    struct gm_schema schema;
    struct arm arms[2];
    struct gleam_dataset keyed = *node; /* its right_keys are those of what arrives */
    int rc = plan_arm(planner, node, node->input,
                      (struct gm_exchange_plan){.kind = kind, .keys = node->order}, &arms[0]);
    if (rc == 0 && is_filter(node))
        rc = plan_keys_alone(planner, node, node->others[0], &arms[1]);
    else if (rc == 0)
        rc = plan_arm(planner, node, node->others[0],
                      (struct gm_exchange_plan){
                          .kind = to_all ? GM_EXCHANGE_BROADCAST : GM_EXCHANGE_HASH,
                          .keys = node->right_keys},
                      &arms[1]);
    if (is_filter(node))
        keyed.right_keys = leading_columns(node->right_keys.count);
    if (rc == 0)
        rc = check_kinds(planner, &keyed, arms);
    if (rc == 0)
        rc = join_schema(planner, &keyed, arms, &schema);
    if (rc < 0)
        return rc;
    uint32_t partition_count = larger(arms[0].partition_count, arms[1].partition_count);
    if (to_all)
        partition_count = arms[0].partition_count < planner->executor_count
                              ? arms[0].partition_count
                              : planner->executor_count;
    const bool tagged = needs_tags(&keyed, arms);
    for (uint32_t i = 0; i < 2; i++)
        planner->plan.exchanges[arms[i].exchange].tagged = tagged && !to_all;
    /* When the right side is whole, the left one need not be kept. */
    planner->plan.chains[arms[0].chain].yields_to = arms[1].chain + 1;
    begin_meeting(planner, arms, 2, partition_count);
    planner->schema = schema;
    struct gm_step *step = add_step(planner, GM_STEP_JOIN, node);
    step->join = node->join;
    step->order = node->order;
    step->right_keys = keyed.right_keys;
    step->tagged = tagged;
    return 0;
}

/* Every key that one side or both have, with a list of each side's rows. */
static int cogroup_schema(struct planner *planner, const struct gleam_dataset *node,
                          const struct arm arms[2], struct gm_schema *schema)
{
    for (uint32_t i = 0; i < node->order.count; i++) {
        struct gm_field field = arms[0].schema.fields[node->order.columns[i].column - 1];
        const struct gm_field *right =
            &arms[1].schema.fields[node->right_keys.columns[i].column - 1];
        if (field.kind != right->kind)
            field.kind = GLEAM_ANY;
        field.nullable |= right->nullable;
        schema->fields[schema->field_count++] = field;
    }
    int rc = gm_planner_add_list(planner, node, &arms[0].schema, &node->order, "left", schema);
    if (rc == 0)
        rc = gm_planner_add_list(planner, node, &arms[1].schema, &node->right_keys, "right",
                                 schema);
    return rc;
}

static int plan_cogroup(struct planner *planner, struct gleam_dataset *node)
{
    struct gm_schema schema = {0};
    struct arm arms[2];
    int rc = plan_arm(planner, node, node->input,
                      (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH, .keys = node->order},
                      &arms[0]);
    if (rc == 0)
        rc = plan_arm(
            planner, node, node->others[0],
            (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH, .keys = node->right_keys},
            &arms[1]);
    if (rc == 0)
        rc = check_kinds(planner, node, arms);
    if (rc == 0)
        rc = cogroup_schema(planner, node, arms, &schema);
    if (rc < 0)
        return rc;
    const bool tagged = needs_tags(node, arms);
    for (uint32_t i = 0; i < 2; i++)
        planner->plan.exchanges[arms[i].exchange].tagged = tagged;
    begin_meeting(planner, arms, 2, larger(arms[0].partition_count, arms[1].partition_count));
    planner->schema = schema;
    struct gm_step *step = add_step(planner, GM_STEP_COGROUP, node);
    step->order = node->order;
    step->right_keys = node->right_keys;
    step->tagged = tagged;
    return 0;
}

/* The kinds of a column in all arms: the one that all have, or any. */
static int unite(struct planner *planner, const struct gleam_dataset *node,
                 const struct gm_schema *other, struct gm_schema *schema)
{
    if (other->field_count != schema->field_count) {
        char text[640], left[256], right[256];
        gm_schema_format(schema, left, sizeof left);
        gm_schema_format(other, right, sizeof right);
        snprintf(text, sizeof text, "its datasets have different numbers of columns: %s and %s",
                 left, right);
        return refuse(planner, node, text);
    }
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct gm_field *field = &schema->fields[i];
        if (field->kind != other->fields[i].kind)
            field->kind = GLEAM_ANY;
        field->nullable |= other->fields[i].nullable;
    }
    return 0;
}

/* Plans all datasets of a union, and settles the columns of the result. */
static int plan_arms(struct planner *planner, const struct gleam_dataset *node, struct arm *arms,
                     struct gm_schema *schema, uint32_t *partition_count)
{
    int rc = 0;
    for (uint32_t i = 0; i <= node->other_count && rc == 0; i++) {
        rc = plan_arm(planner, node, i == 0 ? node->input : node->others[i - 1],
                      (struct gm_exchange_plan){.kind = GM_EXCHANGE_MERGE}, &arms[i]);
        if (rc == 0 && i == 0)
            *schema = arms[0].schema;
        else if (rc == 0)
            rc = unite(planner, node, &arms[i].schema, schema);
        if (rc == 0)
            *partition_count = larger(*partition_count, arms[i].partition_count);
    }
    return rc;
}

/* No step: a column that is `any` may hold vectors of every kind, so batches pass as they are. */
static int plan_union(struct planner *planner, struct gleam_dataset *node)
{
    struct gm_schema schema = {0};
    uint32_t partition_count = 1;
    /* Unions of unions are planned inside of each other: not on the stack. */
    struct arm *arms = calloc(node->other_count + 1, sizeof *arms);
    GM_CHECK(arms != NULL);
    int rc = plan_arms(planner, node, arms, &schema, &partition_count);
    if (rc == 0) {
        begin_meeting(planner, arms, node->other_count + 1, partition_count);
        struct gm_source *source = &planner->chain->source;
        source->schema = schema;
        snprintf(source->name, sizeof source->name, "%s", node->name);
        planner->schema = schema;
    }
    free(arms);
    return rc;
}

static int plan_meeting(struct planner *planner, struct gleam_dataset *node)
{
    switch (node->kind) {
    case GM_NODE_UNION:
        return plan_union(planner, node);
    case GM_NODE_COGROUP:
        return plan_cogroup(planner, node);
    default:
        GM_CHECK(node->kind == GM_NODE_JOIN);
        return plan_join(planner, node);
    }
}

/* Each of them has an exchange for every dataset: what is nested deeper has too many in any case,
 * and is refused before it takes more stack. */
int gm_planner_meeting(struct planner *planner, struct gleam_dataset *node)
{
    if (planner->depth == GM_EXCHANGES_MAX / 2)
        return refuse(planner, node, "the flow needs more than 64 exchanges; split it");
    planner->depth++;
    const int rc = plan_meeting(planner, node);
    planner->depth--;
    return rc;
}
