/* pattern.h - the patterns of Lua 5.1 as LuaJIT understands them, compiled and matched.
 *
 * A pattern is parsed once into a program, which is then run over any number of subjects.  All
 * that LuaJIT's string.find, string.match and string.gmatch accept, refuse and find is the same
 * here, with these words:
 *
 *   - A pattern that is malformed is no error by itself: LuaJIT raises one when the matcher comes
 *     to that place, so match("abc", "x[") is nil.  The program has the error in that place.
 *   - A pattern ends at its first NUL, except in a find without special characters.
 *   - '^' is an anchor in find and match and an ordinary character in gmatch.
 *   - The classes are those of the C locale.
 *   - LuaJIT gives up with "pattern too complex" when 200 captures and repeats are nested.  A
 *     pattern that could get there, or whose program would be too large, is not compiled: the
 *     caller leaves it to LuaJIT.
 *
 * Work:      like LuaJIT's, exponential in the number of repeats at worst, but never endless.
 * Threads:   a program is constant once compiled; matching has no state of its own.
 * Memory:    the caller's.  A program has no pointers, so its first program->bytes bytes may be
 *            copied to any place that is aligned to 8.  The stack of a match has at most 200
 *            frames.  Nothing outside of subject[0, length) is read.
 */
#ifndef GM_UDF_PATTERN_H
#define GM_UDF_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Captures of one pattern: LUA_MAXCAPTURES. */
#define GM_PATTERN_CAPTURES_MAX 32

/* Steps of a match that LuaJIT nests: LJ_MAX_XLEVEL. */
#define GM_PATTERN_DEPTH_MAX 200

/* 16 KiB of program are more than 150 sets with repeats; a longer pattern is left to LuaJIT. */
#define GM_PATTERN_WORDS_MAX 2048

/* LJ_MAX_STR: an offset behind the end fits an int32_t too. */
#define GM_PATTERN_SUBJECT_BYTES_MAX 0x7fffff00

/* For which function a pattern is compiled. */
enum gm_pattern_use {
    GM_PATTERN_FIND,
    GM_PATTERN_MATCH,
    GM_PATTERN_GMATCH,
};

/* What may go wrong in a match, as -number; gm_pattern_error_text has LuaJIT's words. */
enum gm_pattern_error {
    GM_PATTERN_ENDS_WITH_ESCAPE = 1,
    GM_PATTERN_NO_BRACKET,
    GM_PATTERN_NO_FRONTIER_SET,
    GM_PATTERN_UNBALANCED,
    GM_PATTERN_CAPTURE_INDEX,
    GM_PATTERN_CAPTURE_CLOSE,
    GM_PATTERN_CAPTURE_OPEN,
    GM_PATTERN_CAPTURE_COUNT,
    GM_PATTERN_ERROR_END,
};

/* A compiled pattern; its header is followed by operations, which only pattern.c knows. */
struct gm_pattern {
    uint32_t bytes; /* of the program, this header included */
    uint8_t strategy;
    uint8_t capture_count;
    uint8_t flags;
    uint8_t skip; /* how a search finds the next place to try */
    uint64_t code[GM_PATTERN_WORDS_MAX];
};

/* The length of a capture that is a position, not text. */
#define GM_PATTERN_POSITION (-2)

struct gm_pattern_capture {
    int32_t start;  /* offset from the subject's beginning, counted from 0 */
    int32_t length; /* or GM_PATTERN_POSITION */
};

struct gm_pattern_match {
    int32_t start; /* the match is subject[start, end) */
    int32_t end;
    struct gm_pattern_capture captures[GM_PATTERN_CAPTURES_MAX];
};

/* A block of matches of one subject, for who hands them out one by one. */
#define GM_PATTERN_WALK_ITEMS 64

struct gm_pattern_walk {
    int32_t next;  /* for the caller's use: set to 0 by each call */
    int32_t count; /* items there are */
    int32_t at;    /* where to go on; greater than the length when the subject is done */
    int32_t room;  /* matches that the last call looked for: few at first, then more */
    /* One item per capture, or one that is the match if the pattern has no captures. */
    struct gm_pattern_capture items[GM_PATTERN_WALK_ITEMS];
};

/* Compiles pattern[0, length).  Returns 0, or -E2BIG with *ret_why = "pattern too complex" or
 * "pattern too long" when the pattern passes a limit and is to be left to LuaJIT; *ret is then
 * undefined. */
int gm_pattern_compile(const char *pattern, size_t length, enum gm_pattern_use use,
                       struct gm_pattern *ret, const char **ret_why);

/* The first match in subject[from, length), with from <= length <= GM_PATTERN_SUBJECT_BYTES_MAX.
 * Returns 1 with *ret, 0 when there is none, or -(enum gm_pattern_error). */
int gm_pattern_find(const struct gm_pattern *pattern, const char *subject, size_t length,
                    size_t from, struct gm_pattern_match *ret);

/* Makes a walk begin at the beginning of a subject: all but the items is 0. */
void gm_pattern_walk_init(struct gm_pattern_walk *walk);

/* Writes the next matches to walk->items, all of the same subject and a program compiled for
 * GM_PATTERN_GMATCH.  Returns how many (times captures is walk->count), 0 when there are no more,
 * or -(enum gm_pattern_error), at the first call only: a pattern with an error in it never matches.
 * Behind the first match it looks ahead a bounded number of bytes, so a caller who wants one match
 * does not pay for a whole subject. */
int gm_pattern_walk(const struct gm_pattern *pattern, const char *subject, size_t length,
                    struct gm_pattern_walk *walk);

/* LuaJIT's words for an error. */
const char *gm_pattern_error_text(enum gm_pattern_error error);

#endif
