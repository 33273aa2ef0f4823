/* lua_io.h - what C and step.lua share: the columns of the batch at hand, and what loops may call.
 *
 * The declarations are C for the compiler, and text for LuaJIT's ffi.cdef: written once, so that
 * the two cannot differ.
 */
#ifndef GM_UDF_LUA_IO_H
#define GM_UDF_LUA_IO_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/gleam.h"

#define GM_LUA_DECLARE(...)                                                                        \
    __VA_ARGS__                                                                                    \
    static const char gm_lua_declarations[] = #__VA_ARGS__

/* clang-format off */
GM_LUA_DECLARE(
struct gm_lua_value {
    uint8_t kind;
    union {
        int64_t i64;
        double f64;
        bool boolean;
        struct {
            const char *data;
            size_t length;
        } bytes;
        struct {
            uint32_t low;
            int32_t high;
        } words;
    };
};

struct gm_lua_bytes {
    const uint8_t *data;
    size_t length;
};

struct gm_lua_column {
    uint8_t kind;
    uint8_t nullable;
    uint8_t has_nulls;
    void *data;
    uint8_t *nulls;
};

struct gm_lua_io {
    uint32_t input_count;
    uint32_t output_count;
    uint32_t input_rows;
    uint32_t batch_rows;
    uint32_t row;
    uint32_t counters_max;
    uint8_t abandoned;
    uint8_t *bytes;
    size_t bytes_left;
    uint16_t *selected;
    uint8_t **slots;
    uint8_t *new_slots;
    uint32_t seen_offset;
    uint32_t values_offset;
    struct gm_lua_value value;
    int (*grow)(struct gm_lua_io *io, size_t bytes);
    const char *(*keep)(struct gm_lua_io *io, const char *data, size_t length);
    int (*store)(struct gm_lua_io *io, void *slot, uint32_t value);
    int (*count)(struct gm_lua_io *io, const char *name, size_t length, int64_t number);
    const char *(*broadcast)(struct gm_lua_io *io, uint32_t number, size_t *ret_length);
    struct gm_lua_column input[64];
    struct gm_lua_column output[64];
};
);
/* clang-format on */

/* words: the loops look at the upper half of an f64. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "low comes first");
_Static_assert(GM_FIELDS_MAX == 64, "the tables of columns above");
_Static_assert(sizeof(struct gm_lua_value) == sizeof(struct gleam_value) &&
                   offsetof(struct gm_lua_value, bytes) == offsetof(struct gleam_value, bytes),
               "a gleam_value by another name");

#endif
