/* library.h - functions of a shared object, by path and symbol.
 *
 * A shared object is opened once per process and stays open: executors are warm, and code that a
 * thread of its own may run cannot be taken away.  Its symbols stay its own (RTLD_LOCAL); gleam_*
 * it finds in the program.
 */
#ifndef GM_UDF_LIBRARY_H
#define GM_UDF_LIBRARY_H

#include "engine/base/error.h"
#include "engine/gleam.h"

/* The mapper `symbol` of a shared object, or, when library is NULL, the one registered under that
 * name.  Returns 0, or GM_EJOB_FLOW with error. */
int gm_library_mapper(const char *library, const char *symbol, gleam_map_fn **ret_function,
                      struct gm_error *error);

/* The same for a reducer in its general form (gleam_reduce_fn). */
int gm_library_reducer(const char *library, const char *symbol, gleam_reduce_fn **ret_function,
                       struct gm_error *error);

#endif
