/* registry.c - names to functions; two fixed tables, searched only when a plan is opened. */
#include "engine/udf/registry.h"

#include <stdio.h>
#include <string.h>

struct entry {
    const char *name;
    gleam_map_fn *mapper; /* NULL: a reducer */
    struct gm_registered_reducer reducer;
};

static struct entry entries[GM_FUNCTIONS_MAX];
static uint32_t entry_count;
static char problem[128];

static const struct entry *find(const char *name, bool reducer)
{
    for (uint32_t i = 0; i < entry_count; i++)
        if (strcmp(entries[i].name, name) == 0 && (entries[i].mapper == NULL) == reducer)
            return &entries[i];
    return NULL;
}

static void add(struct entry entry)
{
    const char *kind = entry.mapper == NULL ? "reducer" : "mapper";
    if (find(entry.name, entry.mapper == NULL) != NULL)
        snprintf(problem, sizeof problem, "%s '%s' is registered twice", kind, entry.name);
    else if (entry_count == GM_FUNCTIONS_MAX)
        snprintf(problem, sizeof problem, "more than %d functions are registered",
                 GM_FUNCTIONS_MAX);
    else
        entries[entry_count++] = entry;
}

void gleam_register_mapper(const char *name, gleam_map_fn *function)
{
    add((struct entry){.name = name, .mapper = function});
}

void gleam_register_reducer(const char *name, gleam_reduce_fn *function)
{
    add((struct entry){.name = name, .reducer = {.function = function}});
}

void gleam_register_reducer_i64(const char *name, gleam_reduce_i64_fn *function)
{
    add((struct entry){.name = name, .reducer = {.i64 = function}});
}

void gleam_register_reducer_f64(const char *name, gleam_reduce_f64_fn *function)
{
    add((struct entry){.name = name, .reducer = {.f64 = function}});
}

gleam_map_fn *gm_registry_mapper(const char *name)
{
    const struct entry *entry = find(name, false);
    return entry != NULL ? entry->mapper : NULL;
}

bool gm_registry_reducer(const char *name, struct gm_registered_reducer *ret_reducer)
{
    const struct entry *entry = find(name, true);
    if (entry == NULL)
        return false;
    *ret_reducer = entry->reducer;
    return true;
}

const char *gm_registry_problem(void)
{
    return problem[0] != '\0' ? problem : NULL;
}
