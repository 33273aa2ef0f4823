/* registry.c - names to functions; two fixed tables, searched only when a plan is opened. */
#include "engine/udf/registry.h"

#include <stdio.h>
#include <string.h>

struct entry {
    const char *name;
    gleam_map_fn *mapper;
    gleam_reduce_fn *reducer;
};

static struct entry entries[GM_FUNCTIONS_MAX];
static uint32_t entry_count;
static char problem[128];

static const struct entry *find(const char *name, bool reducer)
{
    for (uint32_t i = 0; i < entry_count; i++)
        if (strcmp(entries[i].name, name) == 0 && (entries[i].reducer != NULL) == reducer)
            return &entries[i];
    return NULL;
}

static void add(struct entry entry)
{
    const char *kind = entry.reducer != NULL ? "reducer" : "mapper";
    if (find(entry.name, entry.reducer != NULL) != NULL)
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
    add((struct entry){.name = name, .reducer = function});
}

gleam_map_fn *gm_registry_mapper(const char *name)
{
    const struct entry *entry = find(name, false);
    return entry != NULL ? entry->mapper : NULL;
}

gleam_reduce_fn *gm_registry_reducer(const char *name)
{
    const struct entry *entry = find(name, true);
    return entry != NULL ? entry->reducer : NULL;
}

const char *gm_registry_problem(void)
{
    return problem[0] != '\0' ? problem : NULL;
}
