/* bench_pattern.c - patterns over a Zipf text: LuaJIT's own functions beside ours, in the same kind
 * of loop, and the searches below them without Lua.
 *
 *   bench_pattern          1 MB of text, once: a smoke test
 *   bench_pattern --real   16 MB, best and median of 7
 *
 * One JSON line per measurement.  "result" is what the loop counted: LuaJIT and gleam must agree,
 * otherwise the exit status is 1. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "benchmarks/suite/text.h"
#include "engine/udf/byte_set.h"
#include "engine/udf/pattern.h"
#include "engine/udf/pattern_lua.h"

#define TEXT_BYTES_SMOKE (1u << 20)
#define TEXT_BYTES_REAL (16u << 20)
#define ROUNDS_REAL 7

struct text {
    char *data;
    size_t bytes;
    int rounds;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void report(const char *loop, const char *by, const struct text *text, double result,
                   double per, uint64_t *elapsed_ns)
{
    qsort(elapsed_ns, (size_t)text->rounds, sizeof elapsed_ns[0], compare_ns);
    const double median_ns = (double)elapsed_ns[text->rounds / 2];
    printf("{\"benchmark\":\"pattern\",\"loop\":\"%s\",\"by\":\"%s\",\"bytes\":%zu,"
           "\"result\":%.0f,\"ns_each\":%.2f,\"ns_each_best\":%.2f,\"gb_per_s\":%.3f}\n",
           loop, by, text->bytes, result, median_ns / per, (double)elapsed_ns[0] / per,
           (double)text->bytes / median_ns);
}

/* --- without Lua ----------------------------------------------------------------------------- */

static double walk_text(const struct gm_pattern *program, const struct text *text)
{
    static struct gm_pattern_walk walk;
    double matches = 0;
    int found;
    gm_pattern_walk_init(&walk);
    while ((found = gm_pattern_walk(program, text->data, text->bytes, &walk)) > 0)
        matches += found;
    return matches;
}

static bool measure_walk(const char *pattern, const struct text *text)
{
    static const char *const variants[] = {"avx2", "scalar"};
    static struct gm_pattern program;
    double first = -1;
    bool same = true;
    const char *why;
    if (gm_pattern_compile(pattern, strlen(pattern), GM_PATTERN_GMATCH, &program, &why) < 0)
        return false;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        uint64_t elapsed_ns[ROUNDS_REAL];
        double matches = 0;
        if (gm_byte_set_select(variants[i]) != 0)
            continue;
        for (int round = 0; round < text->rounds; round++) {
            const uint64_t start_ns = now_ns();
            matches = walk_text(&program, text);
            elapsed_ns[round] = now_ns() - start_ns;
        }
        report(pattern, variants[i], text, matches, matches > 0 ? matches : 1, elapsed_ns);
        same = same && (first < 0 || first == matches);
        first = matches;
    }
    gm_byte_set_select(NULL);
    return same;
}

/* --- with Lua -------------------------------------------------------------------------------- */

/* What is counted in `n`; `per` is what the time is divided by. */
struct loop {
    const char *name;
    const char *body;
    bool per_line;
};

static const struct loop loops[] = {
    {"%w+ of lines", "for i = 1, #lines do for w in gmatch(lines[i], '%w+') do n = n + 1 end end",
     false},
    {"%w+ of lines, counted",
     "local t = {} for i = 1, #lines do for w in gmatch(lines[i], '%w+') do "
     "t[w] = (t[w] or 0) + 1 n = n + 1 end end", false},
    {"%w+ of the text", "for w in gmatch(text, '%w+') do n = n + 1 end", false},
    {"[^ ]+ of lines", "for i = 1, #lines do for w in gmatch(lines[i], '[^ ]+') do n = n + 1 end "
                       "end", false},
    {"(%w+)%s of lines", "for i = 1, #lines do for w in gmatch(lines[i], '(%w+)%s') do n = n + 1 "
                         "end end", false},
    {"match (%w+)%s+(%w+)", "for i = 1, #lines do local a, b = match(lines[i], '(%w+)%s+(%w+)') "
                            "if b then n = n + 1 end end", true},
    {"find k%w-n%W", "for i = 1, #lines do if find(lines[i], 'k%w-n%W') then n = n + 1 end end",
     true},
};

/* A new chunk for each measurement: what LuaJIT learned about another must not help or hinder. */
static void push_loop(lua_State *state, const struct loop *loop)
{
    lua_pushfstring(state,
                    "local lines, text, gmatch, match, find = ...\n"
                    "return function() local n = 0 %s return n end", loop->body);
    if (luaL_loadstring(state, lua_tostring(state, -1)) != 0)
        luaL_error(state, "%s", lua_tostring(state, -1));
    lua_remove(state, -2);
    lua_getglobal(state, "lines");
    lua_getglobal(state, "text");
    lua_getglobal(state, "string");
    lua_getfield(state, -1, "gmatch");
    lua_getfield(state, -2, "match");
    lua_getfield(state, -3, "find");
    lua_remove(state, -4);
    lua_call(state, 5, 1);
}

static double run_loop(lua_State *state)
{
    lua_pushvalue(state, -1);
    lua_call(state, 0, 1);
    const double result = lua_tonumber(state, -1);
    lua_pop(state, 1);
    return result;
}

/* A state with the globals `text` and `lines`. */
static lua_State *open_state(const struct text *text, bool ours)
{
    lua_State *state = luaL_newstate();
    if (!state)
        return NULL;
    luaL_openlibs(state);
    lua_pushlstring(state, text->data, text->bytes);
    lua_setglobal(state, "text");
    if (luaL_dostring(state, "lines = {} for l in text:gmatch('[^\\n]+') do lines[#lines + 1] = l "
                             "end") != 0 ||
        (ours && gm_pattern_open(state) < 0)) {
        fprintf(stderr, "bench_pattern: %s\n", lua_tostring(state, -1));
        lua_close(state);
        return NULL;
    }
    return state;
}

/* Both in turn, so that what else the machine does meets both. */
static bool measure_loop(lua_State *const states[2], const struct loop *loop,
                         const struct text *text)
{
    uint64_t elapsed_ns[2][ROUNDS_REAL];
    double results[2];
    for (int ours = 0; ours < 2; ours++) {
        push_loop(states[ours], loop);
        run_loop(states[ours]);
    }
    for (int round = 0; round < 2 * text->rounds; round++) {
        const int ours = round % 2;
        const uint64_t start_ns = now_ns();
        results[ours] = run_loop(states[ours]);
        elapsed_ns[ours][round / 2] = now_ns() - start_ns;
    }
    lua_getglobal(states[0], "lines");
    const double lines = (double)lua_objlen(states[0], -1);
    for (int ours = 0; ours < 2; ours++)
        report(loop->name, ours ? "gleam" : "luajit", text, results[ours],
               loop->per_line ? lines : results[ours], elapsed_ns[ours]);
    return results[0] == results[1];
}

/* In new states for each loop: no garbage and no traces of the one before. */
static bool measure_loops(const struct text *text)
{
    bool same = true;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        lua_State *states[2] = {open_state(text, false), open_state(text, true)};
        same = states[0] && states[1] && measure_loop(states, &loops[i], text) && same;
        for (int ours = 0; ours < 2; ours++)
            if (states[ours])
                lua_close(states[ours]);
    }
    return same;
}

int main(int argc, char **argv)
{
    const bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    struct text text = {.bytes = real ? TEXT_BYTES_REAL : TEXT_BYTES_SMOKE,
                        .rounds = real ? ROUNDS_REAL : 1};
    struct gm_bench_text *generator;
    text.data = malloc(text.bytes);
    if (!text.data || gm_bench_text_create(text.bytes, 50000, 1, &generator) < 0)
        return fputs("bench_pattern: out of memory\n", stderr), 1;
    gm_bench_text_read(generator, (uint8_t *)text.data, text.bytes);
    gm_bench_text_destroy(generator);

    static const char *const walks[] = {"%w+", "[^,]+", "(%w+)%s+(%w+)", "son aroc"};
    bool good = true;
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++)
        good = measure_walk(walks[i], &text) && good;
    good = measure_loops(&text) && good;
    free(text.data);
    return good ? 0 : 1;
}
