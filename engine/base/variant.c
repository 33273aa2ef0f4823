/* variant.c - walks through a kernel's table. */
#include "engine/base/variant.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct gm_variant *at(struct gm_variants variants, size_t index)
{
    return (const struct gm_variant *)((const uint8_t *)variants.table + index * variants.stride);
}

const void *gm_variant_widest(struct gm_variants variants)
{
    size_t index = 0;
    while (!at(variants, index)->supported())
        index++;
    return at(variants, index);
}

const void *gm_variant_named(struct gm_variants variants, const char *name)
{
    for (size_t i = 0; i < variants.count; i++)
        if (strcmp(name, at(variants, i)->name) == 0)
            return at(variants, i);
    return NULL;
}

const void *gm_variant_choose(struct gm_variants variants)
{
    const char *wish = getenv("GLEAM_SIMD");
    int error;
    const void *variant = wish != NULL ? gm_variant_select(variants, wish, &error) : NULL;
    return variant != NULL ? variant : gm_variant_widest(variants);
}

const void *gm_variant_select(struct gm_variants variants, const char *name, int *ret_error)
{
    const struct gm_variant *variant =
        name != NULL ? gm_variant_named(variants, name) : gm_variant_widest(variants);
    if (variant != NULL && variant->supported())
        return variant;
    *ret_error = variant == NULL ? -EINVAL : -ENOTSUP;
    return NULL;
}

const void *gm_variant_settle(gm_variant_choice *choice, struct gm_variants variants)
{
    const void *variant = gm_variant_choose(variants);
    atomic_store_explicit(choice, variant, memory_order_relaxed);
    return variant;
}

int gm_variant_set(gm_variant_choice *choice, struct gm_variants variants, const char *name)
{
    int error = 0;
    const void *variant = gm_variant_select(variants, name, &error);
    if (variant != NULL)
        atomic_store_explicit(choice, variant, memory_order_relaxed);
    return error;
}
