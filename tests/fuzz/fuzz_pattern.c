/* fuzz_pattern.c - compiles the first part of the input as a pattern and runs it over the rest.
 *
 * Program and subject lie in blocks of their exact size.  A match lies inside the subject, is the
 * same with every variant of the searches, and a walk moves on with each match.  Backtracking is
 * exponential in the number of repeats, so subjects are cut where that would be long.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/udf/byte_set.h"
#include "engine/udf/pattern.h"
#include "tests/fuzz/target.h"

#define WORK_MAX 100000

/* Bytes of subject that `repeats` repeats can share in at most WORK_MAX ways: so many are the ways
 * to choose `repeats` places in a row of bytes + repeats. */
static size_t subject_bytes_max(size_t repeats, size_t bytes)
{
    double ways = 1;
    for (size_t n = 1; n <= bytes; n++) {
        ways = ways * (double)(n + repeats) / (double)n;
        if (ways > WORK_MAX)
            return n - 1;
    }
    return bytes;
}

static size_t count_repeats(const uint8_t *pattern, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += pattern[i] == '*' || pattern[i] == '+' || pattern[i] == '-' || pattern[i] == '?';
    return count;
}

static void *copy(const void *data, size_t bytes)
{
    void *block = malloc(bytes > 0 ? bytes : 1);
    GM_CHECK(block != NULL);
    if (bytes > 0)
        memcpy(block, data, bytes);
    return block;
}

static void check_captures(const struct gm_pattern_capture *captures, size_t count, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        GM_CHECK(captures[i].start >= 0 && (size_t)captures[i].start <= length);
        GM_CHECK(captures[i].length >= 0 || captures[i].length == GM_PATTERN_POSITION);
        if (captures[i].length > 0)
            GM_CHECK((size_t)captures[i].start + (size_t)captures[i].length <= length);
    }
}

static void check_find(const struct gm_pattern *program, const char *subject, size_t length,
                       size_t from)
{
    struct gm_pattern_match wide, plain;
    GM_CHECK(gm_byte_set_select(NULL) == 0);
    const int found = gm_pattern_find(program, subject, length, from, &wide);
    GM_CHECK(gm_byte_set_select("scalar") == 0);
    GM_CHECK(gm_pattern_find(program, subject, length, from, &plain) == found);
    GM_CHECK(found <= 1 && found > -GM_PATTERN_ERROR_END);
    if (found < 0)
        GM_CHECK(gm_pattern_error_text((enum gm_pattern_error)-found) != NULL);
    if (found < 1)
        return;
    GM_CHECK(wide.start == plain.start && wide.end == plain.end);
    GM_CHECK((size_t)wide.start >= from && wide.end >= wide.start && (size_t)wide.end <= length);
    check_captures(wide.captures, program->capture_count, length);
    GM_CHECK(memcmp(wide.captures, plain.captures,
                    program->capture_count * sizeof wide.captures[0]) == 0);
}

static void check_walk(const struct gm_pattern *program, const char *subject, size_t length,
                       const char *variant)
{
    struct gm_pattern_walk *walk = malloc(sizeof *walk);
    GM_CHECK(walk != NULL);
    GM_CHECK(gm_byte_set_select(variant) == 0);
    gm_pattern_walk_init(walk);
    size_t matches = 0;
    int found;
    do {
        const int32_t at = walk->at;
        found = gm_pattern_walk(program, subject, length, walk);
        GM_CHECK(found >= 0 || matches == 0);
        GM_CHECK(found <= 0 || walk->at > at);
        matches += found > 0 ? (size_t)found : 0;
        check_captures(walk->items, (size_t)walk->count, length);
        GM_CHECK(matches <= length + 1);
    } while (found > 0);
    free(walk);
}

/* Noise is rarely a pattern: so half of the inputs choose from the characters that matter. */
static void choose(uint8_t *bytes, size_t count, const char *alphabet)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)alphabet[bytes[i] % strlen(alphabet)];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct gm_pattern scratch;
    if (bytes < 3)
        return 0;
    const enum gm_pattern_use use = data[0] % 3;
    const size_t rest = bytes - 3;
    const size_t length = data[1] % (rest + 1) % 64;
    const bool chosen = data[0] / 3 % 2 == 0;
    uint8_t *pattern = copy(data + 3, length);
    if (chosen)
        choose(pattern, length, "a%b(+a)*b[w-?^]$.1fs");
    const size_t subject_bytes = subject_bytes_max(count_repeats(pattern, length), rest - length);
    char *subject = copy(data + 3 + length, subject_bytes);
    if (chosen)
        choose((uint8_t *)subject, subject_bytes, "aab b(1)a");
    const char *why = NULL;
    if (gm_pattern_compile((const char *)pattern, length, use, &scratch, &why) == 0) {
        struct gm_pattern *program = copy(&scratch, scratch.bytes);
        check_find(program, subject, subject_bytes, data[2] % (subject_bytes + 1));
        if (use == GM_PATTERN_GMATCH) {
            check_walk(program, subject, subject_bytes, NULL);
            check_walk(program, subject, subject_bytes, "scalar");
        }
        free(program);
    } else {
        GM_CHECK(why != NULL);
    }
    free(pattern);
    free(subject);
    return 0;
}
