/* library.c - dlopen and dlsym, with errors a person can act on. */
#include "engine/udf/library.h"

#include <dlfcn.h>
#include <string.h>

#include "engine/udf/registry.h"

/* dlsym gives an object pointer, and C forbids the cast to a function: the bits are copied. */
_Static_assert(sizeof(void *) == sizeof(gleam_map_fn *), "POSIX wants this");

static int find(const char *library, const char *symbol, void **ret_address, struct gm_error *error)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return gm_error_set(
            error, GM_EJOB_FLOW,
            "cannot open the shared object %s: %s; a path without a slash is looked "
            "for in the system's folders",
            library, dlerror());
    *ret_address = dlsym(handle, symbol);
    if (*ret_address != NULL)
        return 0;
    return gm_error_set(
        error, GM_EJOB_FLOW,
        "the shared object %s has no symbol '%s': is the function static, hidden, or "
        "C++ without extern \"C\"? (nm -D shows what there is)",
        library, symbol);
}

int gm_library_mapper(const char *library, const char *symbol, gleam_map_fn **ret_function,
                      struct gm_error *error)
{
    void *address;
    if (library == NULL) {
        *ret_function = gm_registry_mapper(symbol);
        if (*ret_function != NULL)
            return 0;
        return gm_error_set(error, GM_EJOB_FLOW,
                            "no mapper '%.60s' is registered; define it with GLEAM_MAPPER, or call "
                            "gleam_register_mapper before gleam_init",
                            symbol);
    }
    int rc = find(library, symbol, &address, error);
    if (rc == 0)
        memcpy(ret_function, &address, sizeof address);
    return rc;
}

int gm_library_reducer(const char *library, const char *symbol, gleam_reduce_fn **ret_function,
                       struct gm_error *error)
{
    void *address;
    int rc = find(library, symbol, &address, error);
    if (rc == 0)
        memcpy(ret_function, &address, sizeof address);
    return rc;
}
