/* variant.h - one of several implementations of a kernel, chosen once by what the processor has.
 *
 * A kernel keeps a constant table of structs that begin with a struct gm_variant, widest first; the
 * last one always runs.  The environment variable GLEAM_SIMD names another one to use, for tests
 * and measurements; a name that is not in the table, or cannot run here, is passed over.
 *
 * Threads: the choice is an atomic of the kernel's.  Threads that come at the same time choose the
 * same, so relaxed order is enough: what it points at is constant.
 */
#ifndef GM_BASE_VARIANT_H
#define GM_BASE_VARIANT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct gm_variant {
    const char *name;         /* "avx512", "avx2", "sse2", "neon", "scalar" */
    bool (*supported)(void);
};

/* A table of count structs of stride bytes. */
struct gm_variants {
    const void *table;
    size_t stride, count;
};

#define GM_VARIANTS(array)                                                                         \
    ((struct gm_variants){array, sizeof(array)[0], sizeof(array) / sizeof(array)[0]})

/* The first that can run here. */
const void *gm_variant_widest(struct gm_variants variants);
/* The one of this name, runnable or not, or NULL. */
const void *gm_variant_named(struct gm_variants variants, const char *name);
/* The one that GLEAM_SIMD names if it can run here, else the widest. */
const void *gm_variant_choose(struct gm_variants variants);
/* The one of this name (NULL: the widest).  NULL with *ret_error -EINVAL (there is none of that
 * name) or -ENOTSUP (it cannot run here). */
const void *gm_variant_select(struct gm_variants variants, const char *name, int *ret_error);

/* A kernel's choice; NULL until it is made. */
typedef _Atomic(const void *) gm_variant_choice;

/* Makes the choice by gm_variant_choose. */
const void *gm_variant_settle(gm_variant_choice *choice, struct gm_variants variants);
/* Makes it by gm_variant_select.  Returns 0, or its error and changes nothing. */
int gm_variant_set(gm_variant_choice *choice, struct gm_variants variants, const char *name);

static inline const void *gm_variant_current(gm_variant_choice *choice, struct gm_variants variants)
{
    const void *variant = atomic_load_explicit(choice, memory_order_relaxed);
    return variant != NULL ? variant : gm_variant_settle(choice, variants);
}

#endif
