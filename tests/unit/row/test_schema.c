/* test_schema.c
 * Goal:   layouts put slots where the format says; names and kinds read back.
 * Method: schemas by hand against offsets counted by hand.
 */
#include "engine/row/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void slots_lie_in_field_order(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct gm_layout layout;
    gm_schema_add(&schema, "a", GLEAM_I64, false);
    gm_schema_add(&schema, "b", GLEAM_BOOL, false);
    gm_schema_add(&schema, "c", GLEAM_BYTES, false);
    gm_schema_add(&schema, "d", GLEAM_F64, false);
    gm_schema_add(&schema, "e", GLEAM_ANY, true);
    gm_layout_init(&layout, &schema);
    assert_int_equal(layout.bitmap_bytes, 0);
    assert_memory_equal(layout.slot_offsets, ((uint32_t[]){0, 8, 9, 13, 21}), 20);
    assert_int_equal(layout.fixed_bytes, 25);
    assert_int_equal(layout.variable_count, 2);
    assert_memory_equal(layout.variable_offsets, ((uint32_t[]){9, 21}), 8);
    assert_false(layout.nullable[4]);
}

static void one_nullable_field_makes_a_bitmap(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct gm_layout layout;
    for (uint32_t i = 0; i < 9; i++)
        gm_schema_add(&schema, NULL, GLEAM_BOOL, i == 3);
    gm_layout_init(&layout, &schema);
    assert_int_equal(layout.bitmap_bytes, 2);
    assert_int_equal(layout.slot_offsets[0], 2);
    assert_int_equal(layout.fixed_bytes, 11);
    assert_true(layout.nullable[3]);
}

static void the_65th_field_is_refused(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    for (uint32_t i = 0; i < GM_FIELDS_MAX; i++)
        assert_int_equal(gm_schema_add(&schema, NULL, GLEAM_ANY, false), 0);
    assert_int_equal(gm_schema_add(&schema, NULL, GLEAM_ANY, false), -E2BIG);
    assert_int_equal(schema.field_count, GM_FIELDS_MAX);
}

static void long_name_is_cut(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    gm_schema_add(&schema, "a name of more than thirty-two letters", GLEAM_I64, false);
    assert_int_equal(strlen(schema.fields[0].name), GM_FIELD_NAME_BYTES_MAX - 1);
}

static void kinds_read_back(void **state)
{
    (void)state;
    for (uint8_t kind = GLEAM_I64; kind <= GLEAM_ANY; kind++)
        assert_int_equal(gm_kind_parse(gm_kind_name(kind)), kind);
    assert_string_equal(gm_kind_name(GLEAM_LIST), "list"); /* of a value, never of a column */
    assert_int_equal(gm_kind_parse("list"), -EINVAL);
    assert_string_equal(gm_kind_name(GLEAM_LIST + 1), "?");
    assert_string_equal(gm_kind_name(255), "?");
    assert_int_equal(gm_kind_parse("null"), -EINVAL);
    assert_int_equal(gm_kind_parse("I64"), -EINVAL);
    assert_int_equal(gm_kind_parse(""), -EINVAL);
}

static void schema_is_shown_in_words(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    char text[64];
    gm_schema_add(&schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&schema, NULL, GLEAM_I64, false);
    gm_schema_format(&schema, text, sizeof text);
    assert_string_equal(text, "(word bytes, i64)");
    gm_schema_format(&schema, text, 8);
    assert_string_equal(text, "(word b");
    for (uint32_t room = 1; room < 20; room++) {
        gm_schema_format(&schema, text, room);
        assert_true(strlen(text) < room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_lie_in_field_order),
        cmocka_unit_test(one_nullable_field_makes_a_bitmap),
        cmocka_unit_test(the_65th_field_is_refused),
        cmocka_unit_test(long_name_is_cut),
        cmocka_unit_test(kinds_read_back),
        cmocka_unit_test(schema_is_shown_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
