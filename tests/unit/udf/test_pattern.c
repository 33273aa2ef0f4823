/* test_pattern.c
 * Goal:   each part of the pattern language finds what LuaJIT finds, and each error is raised
 *         where the matcher reaches it, and not before.
 * Method: a table of patterns, subjects and what string.find gives for them, as text.  The random
 *         comparison with LuaJIT itself is in test_pattern_lua.c.
 */
#include "engine/udf/pattern.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct example {
    const char *pattern;
    const char *subject;
    const char *expected; /* "first last [captures]" as in Lua, "none", or the error */
};

/* One capture behind the text so far. */
static void append(char *out, size_t room, const char *subject, struct gm_pattern_capture capture)
{
    const size_t used = strlen(out);
    if (capture.length == GM_PATTERN_POSITION)
        snprintf(out + used, room - used, " @%d", capture.start + 1);
    else
        snprintf(out + used, room - used, " [%.*s]", capture.length, subject + capture.start);
}

static void find(const char *pattern, enum gm_pattern_use use, const char *subject, size_t from,
                 char *out, size_t room)
{
    static struct gm_pattern program;
    struct gm_pattern_match match;
    const char *why = NULL;
    assert_int_equal(gm_pattern_compile(pattern, strlen(pattern), use, &program, &why), 0);
    const int found = gm_pattern_find(&program, subject, strlen(subject), from, &match);
    if (found < 0) {
        snprintf(out, room, "%s", gm_pattern_error_text((enum gm_pattern_error)-found));
    } else if (found == 0) {
        snprintf(out, room, "none");
    } else {
        snprintf(out, room, "%d %d", match.start + 1, match.end);
        for (int i = 0; i < program.capture_count; i++)
            append(out, room, subject, match.captures[i]);
    }
}

static void check(const struct example *examples, size_t count, enum gm_pattern_use use)
{
    char got[512];
    for (size_t i = 0; i < count; i++) {
        find(examples[i].pattern, use, examples[i].subject, 0, got, sizeof got);
        if (strcmp(got, examples[i].expected) != 0)
            fail_msg("'%s' in '%s': %s, expected %s", examples[i].pattern, examples[i].subject,
                     got, examples[i].expected);
    }
}

#define CHECK(examples, use) check(examples, sizeof(examples) / sizeof((examples)[0]), use)

static void items_and_sets(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"b", "abc", "2 2"},
        {"bc", "abc", "2 3"},
        {"x", "abc", "none"},
        {"", "abc", "1 0"},
        {".c", "abc", "2 3"},
        {"%a%d", "ab1", "2 3"},
        {"%A", "ab1", "3 3"},
        {"%.", "a.b", "2 2"},
        {"%%", "a%b", "2 2"},
        {"%l%u", "aBCd", "1 2"},
        {"%p", "a_b", "2 2"},
        {"%s", "a\vb", "2 2"},
        {"%c", "a\x7f", "2 2"},
        {"%x%X", "gfg", "2 3"},
        {"%w", "\xe9-z", "3 3"},
        {"%g", " ~", "2 2"},
        {"%q", "aq", "2 2"},
        {"[bc]+", "abcb", "2 4"},
        {"[^a]", "aab", "3 3"},
        {"[a-c]+", "xabcd", "2 4"},
        {"[c-a]", "abc", "none"},
        {"[]]", "a]", "2 2"},
        {"[^]]", "]a", "2 2"},
        {"[a-]", "-", "1 1"},
        {"[%a-z]+", "b-", "1 2"},
        {"[a-%]]", "a]", "2 2"},
        {"[%]%-]+", "a]-", "2 3"},
        {"[^%s%d]+", " 1ab ", "3 4"},
        {"[\x80-\xff]+", "a\xc3\xa9", "2 3"},
        {")*", "a)", "invalid pattern capture"},
        {"]", "a]", "2 2"},
        {"*a", "*a", "1 2"},
        {"$a", "$a", "1 2"},
        {"a^", "a^", "1 2"},
    };
    CHECK(examples, GM_PATTERN_FIND);
}

static void repeats(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a*", "baa", "1 0"},
        {"a+", "baa", "2 3"},
        {"ba?", "bb", "1 1"},
        {"ba?a", "ba", "1 2"},
        {"a-b", "aaab", "1 4"},
        {"a-", "aaa", "1 0"},
        {"a-$", "baa", "2 3"},
        {".*b", "abab-", "1 4"},
        {".-b", "abab", "1 2"},
        {"%w+%s", "ab abc d", "1 3"},
        {"[ab]+b", "aabba", "1 4"},
        {"[ab]*ab$", "abab", "1 4"},
        {"a?a?aa", "aa", "1 2"},
        {"%d+$", "1 22 333", "6 8"},
        {"%d+$", "1 22 333 ", "none"},
        {"^%d+", "a1", "none"},
        {"^", "abc", "1 0"},
        {"$", "abc", "4 3"},
        {"^$", "", "1 0"},
        {"^a*$", "aab", "none"},
    };
    CHECK(examples, GM_PATTERN_FIND);
}

static void captures_and_their_like(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"(%w+)=(%w*)", "x = a=b", "5 7 [a] [b]"},
        {"()b()", "abc", "2 2 @2 @3"},
        {"((a)(b))", "ab", "1 2 [ab] [a] [b]"},
        {"(a*)", "b", "1 0 []"},
        {"(.)%1", "abba", "2 3 [b]"},
        {"(a)(b)%2%1", "abba", "1 4 [a] [b]"},
        {"()%1", "aaa", "none"},
        {"(%a+)%s+%1", "to be be", "4 8 [be]"},
        {"(a+)%1", "aaaaa", "1 4 [aa]"},
        {"(%w+) %1", "ab b", "2 4 [b]"}, /* a later beginning in the same run matches */
        {"%b()", "x(a(b)c)d)", "2 8"},
        {"%b()", "((", "none"},
        {"%baa", "xaya", "2 4"},
        {"%f[%w]%w+", "--ab", "3 4"},
        {"%f[%z]", "ab", "3 2"},
        {"a%f[^a]", "aab", "2 2"},
        {"^%s*(.-)%s*$", "  a b ", "1 6 [a b]"},
        {"(%w+) (%w+)", "a-b cc dd", "3 6 [b] [cc]"},
        {"(%a+)()", "1ab", "2 3 [ab] @4"},
    };
    CHECK(examples, GM_PATTERN_FIND);
}

static void errors_are_raised_where_they_are_reached(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"%", "a", "malformed pattern (ends with '%')"},
        {"b%", "a", "none"},
        {"b%", "ab", "malformed pattern (ends with '%')"},
        {"[a", "a", "malformed pattern (missing ']')"},
        {"[]", "a", "malformed pattern (missing ']')"},
        {"[^]", "a", "malformed pattern (missing ']')"},
        {"[a%]", "a", "malformed pattern (missing ']')"},
        {"[a%", "a", "malformed pattern (missing ']')"},
        {"%w+[", "", "none"},
        {"%w+[", "a", "malformed pattern (missing ']')"},
        {"%f", "a", "missing '[' after '%f' in pattern"},
        {"%fa", "a", "missing '[' after '%f' in pattern"},
        {"%f[a", "a", "malformed pattern (missing ']')"},
        {"%b", "a", "unbalanced pattern"},
        {"%b(", "a", "unbalanced pattern"},
        {"%0", "a", "invalid capture index"},
        {"%1", "a", "invalid capture index"},
        {"(a%1)", "a", "invalid capture index"},
        {"(a)%2", "ba", "invalid capture index"},
        {"(a)%2", "b", "none"},
        {"a)", "a)", "1 2"}, /* nothing in it is special to find, so it is plain text */
        {"a.?)", "a", "invalid pattern capture"},
        {"(a))", "a", "invalid pattern capture"},
        {"(a", "a", "unfinished capture"},
        {"(a", "b", "none"},
        {"(a(b)", "ab", "unfinished capture"},
        {"a?%", "b", "malformed pattern (ends with '%')"},
    };
    CHECK(examples, GM_PATTERN_FIND);
    char pattern[80] = "a", got[512];
    for (int i = 0; i < GM_PATTERN_CAPTURES_MAX; i++)
        strcat(pattern, "()");
    find(pattern, GM_PATTERN_FIND, "a", 0, got, sizeof got);
    assert_memory_equal(got, "1 1 @2", 6);
    strcat(pattern, "(");
    find(pattern, GM_PATTERN_FIND, "a", 0, got, sizeof got);
    assert_string_equal(got, "too many captures");
    find(pattern, GM_PATTERN_FIND, "b", 0, got, sizeof got);
    assert_string_equal(got, "none");
}

static void circumflex_depends_on_the_use(void **state)
{
    (void)state;
    static const struct example anchored[] = {{"^a", "b^a", "none"}, {"^^a", "^a", "1 2"}};
    static const struct example ordinary[] = {{"^a", "b^a", "2 3"}, {"^*a", "^^a", "1 3"}};
    CHECK(anchored, GM_PATTERN_FIND);
    CHECK(anchored, GM_PATTERN_MATCH);
    CHECK(ordinary, GM_PATTERN_GMATCH);
}

static void search_begins_in_the_middle(void **state)
{
    (void)state;
    char got[512];
    find("%f[%w]%w", GM_PATTERN_FIND, "ab cd", 1, got, sizeof got);
    assert_string_equal(got, "4 4"); /* the 'b' has an 'a' before it */
    find("^b", GM_PATTERN_FIND, "ab", 1, got, sizeof got);
    assert_string_equal(got, "2 2");
    find("", GM_PATTERN_FIND, "ab", 2, got, sizeof got);
    assert_string_equal(got, "3 2");
}

/* Compiles into a block of the program's exact size; the caller frees it. */
static struct gm_pattern *exact(const char *pattern, size_t length, enum gm_pattern_use use)
{
    static struct gm_pattern program;
    const char *why;
    assert_int_equal(gm_pattern_compile(pattern, length, use, &program, &why), 0);
    struct gm_pattern *copy = malloc(program.bytes);
    assert_non_null(copy);
    memcpy(copy, &program, program.bytes);
    return copy;
}

static void nul_ends_a_pattern_but_not_a_plain_find(void **state)
{
    (void)state;
    struct gm_pattern_match match;
    struct gm_pattern *program = exact("b\0c", 3, GM_PATTERN_FIND);
    assert_int_equal(gm_pattern_find(program, "ab\0c", 4, 0, &match), 1);
    assert_int_equal(match.end, 4);
    assert_int_equal(gm_pattern_find(program, "ab\0d", 4, 0, &match), 0);
    free(program);
    program = exact("b\0c", 3, GM_PATTERN_MATCH);
    assert_int_equal(gm_pattern_find(program, "ab\0d", 4, 0, &match), 1);
    assert_int_equal(match.end, 2);
    free(program);
    program = exact("%z+", 3, GM_PATTERN_MATCH);
    assert_int_equal(gm_pattern_find(program, "a\0\0b", 4, 0, &match), 1);
    assert_int_equal(match.start, 1);
    assert_int_equal(match.end, 3);
    free(program);
    program = exact("[\0]", 3, GM_PATTERN_MATCH);
    assert_int_equal(gm_pattern_find(program, "a", 1, 0, &match), -GM_PATTERN_NO_BRACKET);
    free(program);
}

static void patterns_past_a_limit_are_left_to_luajit(void **state)
{
    (void)state;
    static struct gm_pattern program;
    static char pattern[GM_PATTERN_WORDS_MAX * 16];
    const char *why = NULL;
    struct gm_pattern_match match;
    for (int i = 0; i < GM_PATTERN_DEPTH_MAX; i++)
        memcpy(pattern + 2 * i, "a*", 2);
    const size_t deepest = 2 * (GM_PATTERN_DEPTH_MAX - 1);
    assert_int_equal(gm_pattern_compile(pattern, deepest, GM_PATTERN_MATCH, &program, &why), 0);
    assert_int_equal(gm_pattern_find(&program, "aaa", 3, 0, &match), 1);
    assert_int_equal(match.end, 3);
    assert_int_equal(gm_pattern_compile(pattern, deepest + 2, GM_PATTERN_MATCH, &program, &why),
                     -E2BIG);
    assert_string_equal(why, "pattern too complex");
    memset(pattern, 'a', sizeof pattern);
    assert_int_equal(gm_pattern_compile(pattern, 10000, GM_PATTERN_FIND, &program, &why), 0);
    assert_int_equal(gm_pattern_find(&program, pattern, 10001, 1, &match), 1);
    assert_int_equal(match.end, 10001);
    assert_int_equal(gm_pattern_find(&program, pattern, 9999, 0, &match), 0);
    assert_int_equal(gm_pattern_compile(pattern, sizeof pattern, GM_PATTERN_FIND, &program, &why),
                     -E2BIG);
    assert_string_equal(why, "pattern too long");
}

/* All matches of a walk as text. */
static int walk(const struct gm_pattern *program, const char *subject, size_t length, char *out,
                size_t room)
{
    static struct gm_pattern_walk walk;
    const int each = program->capture_count ? program->capture_count : 1;
    int found;
    out[0] = '\0';
    gm_pattern_walk_init(&walk);
    while ((found = gm_pattern_walk(program, subject, length, &walk)) > 0) {
        assert_int_equal(walk.count, found * each);
        assert_int_equal(walk.next, 0);
        for (int i = 0; i < walk.count; i++)
            append(out, room, subject, walk.items[i]);
    }
    return found;
}

static void walks_give_every_match(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"%w+", " ab c  def", " [ab] [c] [def]"},
        {"(%w+)", "ab", " [ab]"},
        {"", "ab", " [] [] []"},
        {"a*", "baab", " [] [aa] [] []"},
        {"()", "ab", " @1 @2 @3"},
        {"(%a)(%d)", "a1 b2", " [a] [1] [b] [2]"},
        {"ab", "abxabab", " [ab] [ab] [ab]"},
        {"x", "abc", ""},
        {".", "", ""},
    };
    char got[512];
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct gm_pattern *program = exact(examples[i].pattern, strlen(examples[i].pattern),
                                           GM_PATTERN_GMATCH);
        assert_int_equal(walk(program, examples[i].subject, strlen(examples[i].subject), got,
                              sizeof got), 0);
        assert_string_equal(got, examples[i].expected);
        free(program);
    }
}

static void walk_stops_at_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int error;
    } examples[] = {{"a-b%f", GM_PATTERN_NO_FRONTIER_SET}, {"x?(y?", GM_PATTERN_CAPTURE_OPEN}};
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct gm_pattern *program = exact(examples[i].pattern, 5, GM_PATTERN_GMATCH);
        struct gm_pattern_walk walk;
        gm_pattern_walk_init(&walk);
        assert_int_equal(gm_pattern_walk(program, "ab", 2, &walk), -examples[i].error);
        assert_int_equal(gm_pattern_walk(program, "ab", 2, &walk), -examples[i].error);
        free(program);
    }
}

/* A run longer than a walk looks ahead is one match, wherever the look ends. */
static void walk_looks_ahead_a_bounded_way(void **state)
{
    (void)state;
    enum { BYTES = 100000 };
    char *subject = malloc(BYTES);
    assert_non_null(subject);
    for (int gap = 4000; gap < 4200; gap++) {
        memset(subject, ' ', BYTES);
        memset(subject, 'a', 3);
        memset(subject + gap, 'b', (size_t)gap * 3);
        subject[BYTES - 1] = 'c';
        struct gm_pattern *program = exact(gap % 2 ? "%w+" : "%w%w*", gap % 2 ? 3 : 5,
                                           GM_PATTERN_GMATCH);
        struct gm_pattern_walk walk;
        gm_pattern_walk_init(&walk);
        int starts[8], lengths[8], count = 0;
        while (gm_pattern_walk(program, subject, BYTES, &walk) > 0)
            for (int i = 0; i < walk.count; i++, count++) {
                assert_true(count < 8);
                starts[count] = walk.items[i].start;
                lengths[count] = walk.items[i].length;
            }
        assert_int_equal(count, 3);
        assert_int_equal(starts[1], gap);
        assert_int_equal(lengths[1], gap * 3);
        assert_int_equal(starts[2], BYTES - 1);
        free(program);
    }
    free(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_and_sets),
        cmocka_unit_test(repeats),
        cmocka_unit_test(captures_and_their_like),
        cmocka_unit_test(errors_are_raised_where_they_are_reached),
        cmocka_unit_test(circumflex_depends_on_the_use),
        cmocka_unit_test(search_begins_in_the_middle),
        cmocka_unit_test(nul_ends_a_pattern_but_not_a_plain_find),
        cmocka_unit_test(patterns_past_a_limit_are_left_to_luajit),
        cmocka_unit_test(walks_give_every_match),
        cmocka_unit_test(walk_stops_at_an_error),
        cmocka_unit_test(walk_looks_ahead_a_bounded_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
