/* columns.c - a table of names that only grows, and lists of columns as text. */
#define GLEAM_NO_PLACES
#include "engine/flow/columns.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define NAMED (UINT32_C(1) << 31)
/* Names of a program, each once: 512 KiB of pointers that are touched as they are used. */
#define NAMES_MAX 65535

static _Atomic(char *) names[NAMES_MAX];

/* As a header's names are cleaned: letters, digits and _, cut to fit. */
static void clean(const char *text, size_t length, char *name)
{
    if (length > GM_FIELD_NAME_BYTES_MAX - 1)
        length = GM_FIELD_NAME_BYTES_MAX - 1;
    for (size_t i = 0; i < length; i++)
        name[i] = isalnum((unsigned char)text[i]) && (unsigned char)text[i] < 128 ? text[i] : '_';
    name[length] = '\0';
}

/* The number of a name, which is added where it is new. */
static uint32_t number_of(const char *name)
{
    char *copy = NULL;
    uint32_t i = 0;
    for (; i < NAMES_MAX; i++) {
        char *there = atomic_load_explicit(&names[i], memory_order_acquire);
        if (there == NULL && copy == NULL) {
            copy = strdup(name);
            GM_CHECK(copy != NULL);
        }
        if (there == NULL && atomic_compare_exchange_strong(&names[i], &there, copy))
            return NAMED | i;
        if (strcmp(there, name) == 0)
            break;
    }
    free(copy); /* another thread was faster, or there is no room */
    return NAMED | i;
}

static uint32_t named(const char *text, size_t length)
{
    char name[GM_FIELD_NAME_BYTES_MAX];
    clean(text, length, name);
    return number_of(name);
}

uint32_t gleam_column(const char *name)
{
    return name == NULL ? 0 : named(name, strlen(name));
}

bool gm_column_is_named(uint32_t column)
{
    return (column & NAMED) != 0;
}

const char *gm_column_name(uint32_t column)
{
    const uint32_t i = column & ~NAMED;
    return i < NAMES_MAX ? atomic_load_explicit(&names[i], memory_order_acquire) : NULL;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Takes " asc" or " desc" off the end.  Returns whether the order ascends. */
static bool take_direction(const char *text, size_t *length)
{
    size_t word = *length;
    while (word > 0 && isalpha((unsigned char)text[word - 1]))
        word--;
    const size_t bytes = *length - word;
    const bool down = bytes == 4 && strncmp(text + word, "desc", 4) == 0;
    const bool up = bytes == 3 && strncmp(text + word, "asc", 3) == 0;
    size_t before = word;
    while (before > 0 && text[before - 1] == ' ')
        before--;
    if ((up || down) && before > 0 && before < word)
        *length = before;
    return !down || *length != before;
}

/* "3" is a number, what else there is a name. */
static uint32_t column_of(const char *text, size_t length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]) || number >= NAMED / 16)
            return named(text, length);
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return (uint32_t)number;
}

struct gleam_order gleam_columns(const char *list)
{
    struct gleam_order order = {0};
    const char *at = list != NULL ? list : "";
    while (*at != '\0') {
        size_t length = strcspn(at, ",");
        const char *next = at[length] == ',' ? at + length + 1 : at + length;
        while (length > 0 && *at == ' ') {
            at++;
            length--;
        }
        while (length > 0 && at[length - 1] == ' ')
            length--;
        const bool ascending = take_direction(at, &length);
        order = gleam_then_by(order, column_of(at, length), ascending);
        at = next;
    }
    return order;
}
