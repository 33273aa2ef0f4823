/* plan_columns.c - columns by number and by name: orders and keys, declarations. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/columns.h"
#include "engine/flow/planner_internal.h"

/* ---- names ----------------------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Letters to change, add or leave out so that one name becomes the other (Levenshtein), whatever
 * their case. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[GM_FIELD_NAME_BYTES_MAX + 1];
    const uint32_t width = (uint32_t)strlen(b);
    for (uint32_t j = 0; j <= width; j++)
        row[j] = j;
    for (uint32_t i = 0; a[i] != '\0'; i++) {
        uint32_t corner = row[0];
        row[0] = i + 1;
        for (uint32_t j = 0; j < width; j++) {
            const uint32_t above = row[j + 1];
            const bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
            row[j + 1] = smaller(corner + !same, smaller(above, row[j]) + 1);
            corner = above;
        }
    }
    return row[width];
}

static int refuse_name(struct planner *planner, const struct gleam_dataset *node,
                       const struct gm_schema *schema, const char *name)
{
    char text[512], columns[256], hint[64] = "";
    uint32_t best = (uint32_t)strlen(name) / 3 + 2; /* a third of it may be wrong, and one letter */
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const uint32_t far = distance(name, schema->fields[i].name);
        if (far >= best)
            continue;
        best = far;
        snprintf(hint, sizeof hint, "; did you mean '%s'?", schema->fields[i].name);
    }
    gm_schema_format(schema, columns, sizeof columns);
    snprintf(text, sizeof text, "there is no column '%s' in %s%s", name, columns, hint);
    return refuse(planner, node, text);
}

static int find_name(struct planner *planner, const struct gleam_dataset *node,
                     const struct gm_schema *schema, const char *name, uint32_t *ret_column)
{
    uint32_t found = 0;
    if (name == NULL)
        return refuse(planner, node, "this program has named more than 65535 different columns");
    for (uint32_t i = schema->field_count; i > 0; i--) {
        if (strcmp(schema->fields[i - 1].name, name) != 0)
            continue;
        if (found > 0) {
            char text[200];
            snprintf(text, sizeof text,
                     "the columns %u and %u are both called '%s': name it by its number, or give "
                     "other names with :As (gleam_as in C) before",
                     i, found, name);
            return refuse(planner, node, text);
        }
        found = i;
    }
    if (found == 0)
        return refuse_name(planner, node, schema, name);
    *ret_column = found;
    return 0;
}

int gm_planner_resolve(struct planner *planner, const struct gleam_dataset *node,
                       struct gleam_order *order)
{
    int rc = 0;
    for (uint32_t i = 0; i < smaller(order->count, GLEAM_ORDER_COLUMNS_MAX) && rc == 0; i++)
        if (gm_column_is_named(order->columns[i].column))
            rc = find_name(planner, node, &planner->schema,
                           gm_column_name(order->columns[i].column), &order->columns[i].column);
    return rc;
}

/* ---- numbers --------------------------------------------------------------------------------- */

int gm_planner_check_order(struct planner *planner, const struct gleam_dataset *node,
                           const struct gleam_order *order)
{
    if (order->count == 0 || order->count > GLEAM_ORDER_COLUMNS_MAX)
        return refuse(planner, node, "it needs between 1 and 64 columns");
    for (uint32_t i = 0; i < order->count; i++) {
        const uint32_t column = order->columns[i].column;
        if (column == 0 || column > planner->schema.field_count) {
            char text[384], columns[256];
            gm_schema_format(&planner->schema, columns, sizeof columns);
            snprintf(text, sizeof text, "there is no column %u in %s (columns count from 1)",
                     column, columns);
            return refuse(planner, node, text);
        }
    }
    return 0;
}

/* ---- declarations ---------------------------------------------------------------------------- */

/* "word bytes, n i64". */
int gm_planner_parse_columns(struct planner *planner, const struct gleam_dataset *node,
                             struct gm_schema *ret_schema)
{
    struct gm_schema schema = {0};
    const char *cursor = node->columns;
    for (;;) {
        char name[GM_FIELD_NAME_BYTES_MAX] = "", kind[16] = "", rest = '\0';
        int used = 0;
        const int found = sscanf(cursor, " %31[A-Za-z0-9_] %15[a-z0-9?] %n", name, kind, &used);
        const size_t length = strlen(kind);
        const bool nullable = length > 0 && kind[length - 1] == '?';
        if (nullable)
            kind[length - 1] = '\0';
        if (found < 2 || used == 0 || gm_kind_parse(kind) < 0)
            return refuse(planner, node,
                          "columns are declared as \"NAME TYPE, NAME TYPE\", with the types i64, "
                          "f64, bool, bytes and any, and a '?' behind one where null may stand");
        if (gm_schema_add(&schema, name, (enum gleam_kind)gm_kind_parse(kind),
                          nullable && gm_kind_parse(kind) != GLEAM_ANY) < 0)
            return refuse(planner, node, "more than 64 columns are declared");
        rest = cursor[used];
        cursor += used + 1;
        if (rest == '\0')
            break;
        if (rest != ',')
            return refuse(planner, node, "a comma is missing between two declared columns");
    }
    *ret_schema = schema;
    return 0;
}

/* Other names for the columns that a chain begins with.  Inputs of a union keep their own: what
 * arrives may have other kinds than the whole. */
static void rename_source(struct planner *planner, const struct gm_schema *schema)
{
    struct gm_source *source = &planner->chain->source;
    source->schema = *schema;
    if (source->input_count == 1)
        source->inputs[0].schema = *schema;
}

int gm_planner_as(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_schema schema;
    int rc = gm_planner_parse_columns(planner, node, &schema);
    if (rc < 0)
        return rc;
    if (schema.field_count != planner->schema.field_count)
        return refuse(planner, node, "it declares another number of columns than the rows have");
    bool same = true;
    for (uint32_t i = 0; i < schema.field_count; i++) {
        const uint8_t from = planner->schema.fields[i].kind;
        const uint8_t to = schema.fields[i].kind;
        schema.fields[i].nullable =
            to != GLEAM_ANY && (schema.fields[i].nullable || planner->schema.fields[i].nullable);
        same = same && from == to &&
               schema.fields[i].nullable == planner->schema.fields[i].nullable;
        if (from != to && from != GLEAM_ANY && to != GLEAM_ANY &&
            !(from == GLEAM_I64 && to == GLEAM_F64)) {
            char text[160];
            snprintf(text, sizeof text,
                     "column %u is %s and cannot become %s here; convert it in a mapper", i + 1,
                     gm_kind_name(from), gm_kind_name(to));
            return refuse(planner, node, text);
        }
    }
    planner->schema = schema;
    if (!same) { /* numbers may become equal that were not */
        gm_planner_place_nowhere(planner);
        add_step(planner, GM_STEP_CAST, node);
    } else if (planner->chain->step_count > 0)
        planner->chain->steps[planner->chain->step_count - 1].schema = schema;
    else
        rename_source(planner, &schema);
    return 0;
}
