/* fuzz_plan.c - plans that anybody may have written.
 *
 * An even first byte: the rest is the plan.  Odd: the next 8 bytes are the seed of a good plan, and
 * the rest are changes to it, of position and value.  What decoding accepts must print, and encode
 * to the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/flow/plan_codec.h"
#include "tests/fuzz/target.h"
#include "tests/unit/flow/random_plan.h"

static void decode(const uint8_t *data, size_t bytes)
{
    struct gm_plan plan;
    struct gm_error error = {0};
    const int rc = gm_plan_decode(data, bytes, &plan, &error);
    GM_CHECK(rc == 0 || (rc == GM_EPEER_PROTOCOL && error.code == rc));
    if (rc < 0)
        return;
    uint8_t *again = NULL;
    size_t again_bytes = 0;
    GM_CHECK(gm_plan_encode(&plan, &again, &again_bytes) == 0);
    GM_CHECK(again_bytes == bytes && memcmp(again, data, bytes) == 0);
    free(again);
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *file = open_memstream(&text, &text_bytes);
    GM_CHECK(file != NULL);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    free(text);
    gm_plan_fini(&plan);
}

static void change_good_plan(const uint8_t *data, size_t bytes)
{
    uint64_t seed;
    struct gm_plan plan;
    uint8_t *good = NULL;
    size_t good_bytes = 0;
    memcpy(&seed, data, sizeof seed);
    random_plan(&seed, &plan);
    GM_CHECK(gm_plan_encode(&plan, &good, &good_bytes) == 0);
    gm_plan_fini(&plan);
    decode(good, good_bytes);
    for (size_t i = sizeof seed; i + 3 <= bytes && i < sizeof seed + 30; i += 3) {
        good[(data[i] | (uint64_t)data[i + 1] << 8) % good_bytes] = data[i + 2];
        decode(good, good_bytes);
    }
    free(good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1 + sizeof(uint64_t))
        return 0;
    if (data[0] & 1)
        change_good_plan(data + 1, bytes - 1);
    else
        decode(data + 1, bytes - 1);
    return 0;
}
