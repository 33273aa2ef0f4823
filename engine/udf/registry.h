/* registry.h - the functions of this program, by name.
 *
 * Filled before gleam_init, single-threaded; read-only afterwards.  Every executor is the same
 * program, so a name means the same function there.
 */
#ifndef GM_UDF_REGISTRY_H
#define GM_UDF_REGISTRY_H

#include "engine/gleam.h"

#define GM_FUNCTIONS_MAX 1024

/* NULL when no such function is registered. */
gleam_map_fn *gm_registry_mapper(const char *name);

/* A registered reducer; exactly one of its forms is there. */
struct gm_registered_reducer {
    gleam_reduce_fn *function;
    gleam_reduce_i64_fn *i64;
    gleam_reduce_f64_fn *f64;
};
bool gm_registry_reducer(const char *name, struct gm_registered_reducer *ret_reducer);

/* NULL, or why registration went wrong (a name twice, too many). */
const char *gm_registry_problem(void);

#endif
