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
    struct gleam_order keys;  /* of its columns */
    struct gm_size size;
    struct gm_placement placed; /* of what comes to its exchange */
    uint32_t parts;             /* in which that is */
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

static const struct gm_field *key_field(const struct arm *arm, uint32_t i)
{
    return &arm->schema.fields[arm->keys.columns[i].column - 1];
}

static int check_kinds(struct planner *planner, const struct gleam_dataset *node,
                       const struct arm arms[2])
{
    char text[256];
    if (arms[0].keys.count != arms[1].keys.count) {
        snprintf(text, sizeof text, "it has %u key columns on the left and %u on the right",
                 arms[0].keys.count, arms[1].keys.count);
        return refuse(planner, node, text);
    }
    for (uint32_t i = 0; i < arms[0].keys.count; i++) {
        const struct gm_field *left = key_field(&arms[0], i), *right = key_field(&arms[1], i);
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
static bool needs_tags(const struct arm arms[2])
{
    if (arms[0].keys.count != 1)
        return false; /* several are always tagged */
    const struct gm_field *left = key_field(&arms[0], 0), *right = key_field(&arms[1], 0);
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
    for (uint32_t i = 0; i < arms[0].keys.count && rc == 0; i++) {
        struct gm_field field = *key_field(&arms[0], i);
        const struct gm_field *right = key_field(&arms[1], i);
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
        rc = add_others(&arms[0].schema, &arms[0].keys,
                        full || node->join == GLEAM_JOIN_RIGHT_OUTER, &schema);
    if (rc == 0 && !is_filter(node))
        rc = add_others(&arms[1].schema, &arms[1].keys,
                        full || node->join == GLEAM_JOIN_LEFT_OUTER, &schema);
    if (rc < 0)
        return refuse(planner, node, "its rows would have more than 64 columns: select fewer "
                                     "before it");
    *ret_schema = schema;
    return 0;
}

/* ---- arms ------------------------------------------------------------------------------------ */

/* Plans what leads to a dataset, and an exchange behind it whose kind and number of partitions are
 * settled when all arms are there. */
static int end_arm(struct planner *planner, const struct gleam_dataset *node, struct arm *arm)
{
    arm->partition_count = planner->partition_count;
    arm->size = planner->size;
    arm->placed = planner->placed;
    arm->parts = planner->ranges ? 0 : planner->chain->source.partition_count;
    const int rc = gm_planner_end_chain(planner, node,
                                        (struct gm_exchange_plan){.kind = GM_EXCHANGE_MERGE});
    arm->chain = (uint32_t)(planner->chain - planner->plan.chains);
    arm->exchange = planner->chain->exchange;
    arm->schema = planner->schema;
    return rc;
}

/* keys: NULL, or the key columns of this side, by name or number.  only_keys: whoever asks no more
 * than whether there is a partner needs no other columns. */
static int plan_arm(struct planner *planner, const struct gleam_dataset *node,
                    struct gleam_dataset *input, const struct gleam_order *keys, bool only_keys,
                    struct arm *arm)
{
    *arm = (struct arm){0};
    int rc = gm_planner_path(planner, input);
    if (rc == 0 && keys != NULL) {
        arm->keys = *keys;
        rc = gm_planner_resolve(planner, node, &arm->keys);
    }
    if (rc == 0 && keys != NULL)
        rc = gm_planner_check_keys(planner, node, &arm->keys);
    if (rc < 0)
        return rc;
    if (only_keys) {
        gm_planner_select(planner, node, &arm->keys);
        arm->keys = leading_columns(arm->keys.count);
    }
    return end_arm(planner, node, arm);
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

/* An arm whose rows are where the hash of its keys would put them stays there. */
static void spread(struct planner *planner, const struct arm *arm, bool tagged,
                   uint32_t partition_count)
{
    struct gm_exchange_plan *exchange = &planner->plan.exchanges[arm->exchange];
    const bool stays = arm->parts == partition_count &&
                       gm_placement_is_hash(&arm->placed, &arm->schema, &arm->keys, tagged);
    exchange->kind = stays ? GM_EXCHANGE_MERGE : GM_EXCHANGE_HASH;
    exchange->keys = arm->keys;
    exchange->tagged = tagged && !stays;
}

/* Both sides by the hash of their keys. */
static void meet_by_hash(struct planner *planner, const struct gleam_dataset *node,
                         const struct arm arms[2], bool tagged)
{
    planner->size = gm_size_sum(arms[0].size, arms[1].size, false);
    const uint32_t count = gm_planner_partitions(
        planner, node, larger(arms[0].partition_count, arms[1].partition_count));
    for (uint32_t i = 0; i < 2; i++)
        spread(planner, &arms[i], tagged, count);
    begin_meeting(planner, arms, 2, count);
    gm_planner_place(planner,
                     &(struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                                .schema = arms[0].schema,
                                                .keys = arms[0].keys,
                                                .tagged = tagged});
    gm_planner_place_select(planner, &arms[0].keys);
}

/* One side goes whole to each partition of the other, at most one per executor. */
static void meet_at_all(struct planner *planner, const struct arm arms[2], uint32_t whole)
{
    const struct arm *rest = &arms[1 - whole];
    planner->size = gm_size_sum(arms[0].size, arms[1].size, false);
    planner->plan.exchanges[arms[whole].exchange].kind = GM_EXCHANGE_BROADCAST;
    begin_meeting(planner, arms, 2,
                  rest->partition_count < planner->executor_count ? rest->partition_count
                                                                  : planner->executor_count);
}

/* The side that is whole first need not see the other one kept: the smaller one, as far as that is
 * known, else the right one. */
static void let_go_first(struct planner *planner, const struct arm arms[2], enum gm_join_way way)
{
    const struct gm_size left = arms[0].size, right = arms[1].size;
    const bool smaller = left.known && right.known && left.bytes < right.bytes;
    const uint32_t first = way == GM_JOIN_LEFT_TO_ALL || (way == GM_JOIN_SPREAD && smaller) ? 0 : 1;
    planner->plan.chains[arms[1 - first].chain].yields_to = arms[first].chain + 1;
}

static int plan_join(struct planner *planner, struct gleam_dataset *node)
{
    const bool cross = node->order.count == 0;
    struct gm_schema schema;
    struct arm arms[2];
    int rc = plan_arm(planner, node, node->input, cross ? NULL : &node->order, false, &arms[0]);
    if (rc == 0)
        rc = plan_arm(planner, node, node->others[0], cross ? NULL : &node->right_keys,
                      is_filter(node), &arms[1]);
    if (rc == 0)
        rc = check_kinds(planner, node, arms);
    if (rc == 0)
        rc = join_schema(planner, node, arms, &schema);
    if (rc < 0)
        return rc;
    const bool tagged = needs_tags(arms);
    enum gm_join_way way = GM_JOIN_RIGHT_TO_ALL;
    if (!cross && !node->broadcast)
        way = gm_planner_join_way(planner, node->join, arms[0].size, arms[1].size);
    if (way == GM_JOIN_SPREAD)
        meet_by_hash(planner, node, arms, tagged);
    else
        meet_at_all(planner, arms, way == GM_JOIN_RIGHT_TO_ALL ? 1 : 0);
    let_go_first(planner, arms, way);
    if (is_filter(node))
        planner->size = arms[0].size;
    planner->schema = schema;
    struct gm_step *step = add_step(planner, GM_STEP_JOIN, node);
    step->join = node->join;
    step->order = arms[0].keys;
    step->right_keys = arms[1].keys;
    step->tagged = tagged;
    if (!cross && !node->broadcast)
        gm_planner_join_note(way, arms[0].size, arms[1].size, step->note, sizeof step->note);
    return 0;
}

/* Every key that one side or both have, with a list of each side's rows. */
static int cogroup_schema(struct planner *planner, const struct gleam_dataset *node,
                          const struct arm arms[2], struct gm_schema *schema)
{
    for (uint32_t i = 0; i < arms[0].keys.count; i++) {
        struct gm_field field = *key_field(&arms[0], i);
        const struct gm_field *right = key_field(&arms[1], i);
        if (field.kind != right->kind)
            field.kind = GLEAM_ANY;
        field.nullable |= right->nullable;
        schema->fields[schema->field_count++] = field;
    }
    int rc = gm_planner_add_list(planner, node, &arms[0].schema, &arms[0].keys, "left", schema);
    if (rc == 0)
        rc = gm_planner_add_list(planner, node, &arms[1].schema, &arms[1].keys, "right", schema);
    return rc;
}

static int plan_cogroup(struct planner *planner, struct gleam_dataset *node)
{
    struct gm_schema schema = {0};
    struct arm arms[2];
    int rc = plan_arm(planner, node, node->input, &node->order, false, &arms[0]);
    if (rc == 0)
        rc = plan_arm(planner, node, node->others[0], &node->right_keys, false, &arms[1]);
    if (rc == 0)
        rc = check_kinds(planner, node, arms);
    if (rc == 0)
        rc = cogroup_schema(planner, node, arms, &schema);
    if (rc < 0)
        return rc;
    const bool tagged = needs_tags(arms);
    meet_by_hash(planner, node, arms, tagged);
    planner->schema = schema;
    struct gm_step *step = add_step(planner, GM_STEP_COGROUP, node);
    step->order = arms[0].keys;
    step->right_keys = arms[1].keys;
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
        rc = plan_arm(planner, node, i == 0 ? node->input : node->others[i - 1], NULL, false,
                      &arms[i]);
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
        planner->size = arms[0].size;
        for (uint32_t i = 1; i <= node->other_count; i++)
            planner->size = gm_size_sum(planner->size, arms[i].size, true);
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
