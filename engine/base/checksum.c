#include "engine/base/checksum.h"

#include "engine/base/checksum_wide.h"
#include "engine/base/hash.h"
#include "engine/base/variant.h"

typedef uint64_t checksum_function(const void *data, size_t bytes);

struct variant {
    struct gm_variant head;
    checksum_function *sum;
};

static bool has_always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}
#endif

/* Widest first.  The plain one is SSE2 or NEON, which the compiler may count on. */
static const struct variant variants[] = {
#if defined(__x86_64__)
    {{"avx512", has_avx512}, gm_checksum_avx512},
    {{"avx2", has_avx2}, gm_checksum_avx2},
    {{"sse2", has_always}, gm_hash_long},
#elif defined(__aarch64__)
    {{"neon", has_always}, gm_hash_long},
#endif
    {{"scalar", has_always}, gm_hash_long},
};

static gm_variant_choice chosen;

uint64_t gm_checksum(const void *data, size_t bytes)
{
    const struct variant *variant = gm_variant_current(&chosen, GM_VARIANTS(variants));
    return variant->sum(data, bytes);
}

int gm_checksum_select(const char *name)
{
    return gm_variant_set(&chosen, GM_VARIANTS(variants), name);
}
