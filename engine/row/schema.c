/* schema.c - layouts and names of columns. */
#include "engine/row/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"

static const char *const kind_names[] = {
    [GLEAM_NULL] = "null", [GLEAM_I64] = "i64",     [GLEAM_F64] = "f64",
    [GLEAM_BOOL] = "bool", [GLEAM_BYTES] = "bytes", [GLEAM_ANY] = "any",
    [GLEAM_LIST] = "list"};

static bool is_variable(uint8_t kind)
{
    return kind == GLEAM_BYTES || kind == GLEAM_ANY;
}

static uint32_t slot_bytes(uint8_t kind)
{
    if (is_variable(kind))
        return sizeof(uint32_t);
    return kind == GLEAM_BOOL ? 1 : 8;
}

void gm_layout_init(struct gm_layout *layout, const struct gm_schema *schema)
{
    GM_CHECK(schema->field_count >= 1);
    GM_CHECK(schema->field_count <= GM_FIELDS_MAX);
    *layout = (struct gm_layout){.field_count = schema->field_count};
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct gm_field *field = &schema->fields[i];
        GM_CHECK(field->kind >= GLEAM_I64);
        GM_CHECK(field->kind <= GLEAM_ANY);
        layout->kinds[i] = field->kind;
        layout->nullable[i] = field->nullable && field->kind != GLEAM_ANY;
        if (layout->nullable[i])
            layout->bitmap_bytes = (schema->field_count + 7) / 8;
    }
    uint32_t offset = layout->bitmap_bytes;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        layout->slot_offsets[i] = offset;
        if (is_variable(layout->kinds[i]))
            layout->variable_offsets[layout->variable_count++] = offset;
        offset += slot_bytes(layout->kinds[i]);
    }
    layout->fixed_bytes = offset;
}

int gm_schema_add(struct gm_schema *schema, const char *name, enum gleam_kind kind, bool nullable)
{
    GM_CHECK(kind >= GLEAM_I64);
    GM_CHECK(kind <= GLEAM_ANY);
    if (schema->field_count >= GM_FIELDS_MAX)
        return -E2BIG;
    struct gm_field *field = &schema->fields[schema->field_count++];
    *field = (struct gm_field){.kind = (uint8_t)kind, .nullable = nullable};
    if (name != NULL) {
        /* A name too long is cut: it is for people only. */
        const size_t length = strnlen(name, sizeof field->name - 1);
        memcpy(field->name, name, length);
    }
    return 0;
}

const char *gm_kind_name(uint8_t kind)
{
    return kind < sizeof kind_names / sizeof kind_names[0] ? kind_names[kind] : "?";
}

int gm_kind_parse(const char *name)
{
    for (int kind = GLEAM_I64; kind <= GLEAM_ANY; kind++) {
        if (strcmp(name, kind_names[kind]) == 0)
            return kind;
    }
    static const struct {
        const char *name;
        enum gleam_kind kind;
    } others[] = {{"int64", GLEAM_I64},   {"int", GLEAM_I64},    {"float64", GLEAM_F64},
                  {"float", GLEAM_F64},   {"string", GLEAM_BYTES}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i].name) == 0)
            return others[i].kind;
    return -EINVAL;
}

void gm_schema_format(const struct gm_schema *schema, char *text, uint32_t text_bytes)
{
    if (text_bytes == 0)
        return;
    uint32_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < schema->field_count && used < text_bytes; i++) {
        const struct gm_field *field = &schema->fields[i];
        const int length = snprintf(text + used, text_bytes - used, "%s%.*s%s%s",
                                    i == 0 ? "(" : ", ", (int)sizeof field->name, field->name,
                                    field->name[0] != '\0' ? " " : "", gm_kind_name(field->kind));
        used += (uint32_t)length;
    }
    if (used < text_bytes)
        snprintf(text + used, text_bytes - used, ")");
}
