/* pattern.c - runs a compiled pattern over a subject; see pattern.h and pattern_program.h. */
#include "engine/udf/pattern.h"

#include <stdbool.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/udf/byte_set.h"
#include "engine/udf/pattern_program.h"

/* How far a walk looks for the matches that nobody has asked for yet. */
#define AHEAD_BYTES 4096
#define ROOM_FIRST 16 /* a line of text is one call, or two */

struct matcher {
    const uint8_t *begin;
    const uint8_t *end;
    const struct gm_pattern *pattern;
    int error; /* 0, or what ended the match */
    struct gm_pattern_capture captures[GM_PATTERN_CAPTURES_MAX];
};

static const uint8_t *run(struct matcher *matcher, const uint8_t *at,
                          const struct gm_pattern_op *op);

static int32_t offset(const struct matcher *matcher, const uint8_t *at)
{
    return (int32_t)(at - matcher->begin);
}

/* --- the operations that are more than a line ----------------------------------------------- */

/* All of `least`..`limit` are places where the repetition may end; tries the last one first. */
static const uint8_t *run_longest(struct matcher *matcher, const uint8_t *least,
                                  const uint8_t *limit, const struct gm_pattern_repeat *repeat)
{
    const struct gm_pattern_op *next = gm_pattern_op_next(&repeat->op);
    const bool look = repeat->op.length & GM_REPEAT_NEXT;
    for (ptrdiff_t more = limit - least; more >= 0; more--) {
        const uint8_t *at = least + more;
        if (look && (at == matcher->end || !gm_byte_set_has(&repeat->next, *at)))
            continue;
        const uint8_t *end = run(matcher, at, next);
        if (end || matcher->error)
            return end;
    }
    return NULL;
}

static const uint8_t *run_shortest(struct matcher *matcher, const uint8_t *at,
                                   const struct gm_pattern_repeat *repeat)
{
    const struct gm_pattern_op *next = gm_pattern_op_next(&repeat->op);
    for (;; at++) {
        if (repeat->op.length & GM_REPEAT_NEXT)
            at = gm_byte_set_find(&repeat->next, matcher->begin, at, matcher->end);
        const uint8_t *end = run(matcher, at, next);
        if (end || matcher->error)
            return end;
        if (at == matcher->end || !gm_byte_set_has(&repeat->set, *at))
            return NULL;
    }
}

/* The place behind a balanced text, or NULL. */
static const uint8_t *run_balance(const struct matcher *matcher, const uint8_t *at,
                                  const struct gm_pattern_op *op)
{
    const uint8_t begin = op->index, end = (uint8_t)op->length;
    size_t open = 1;
    if (at == matcher->end || *at != begin)
        return NULL;
    while (++at < matcher->end) {
        if (*at == end) {
            if (--open == 0)
                return at + 1;
        } else if (*at == begin) {
            open++;
        }
    }
    return NULL;
}

static const uint8_t *run_back(const struct matcher *matcher, const uint8_t *at,
                               const struct gm_pattern_capture *capture)
{
    const size_t bytes = (size_t)capture->length;
    if ((size_t)(matcher->end - at) < bytes ||
        memcmp(matcher->begin + capture->start, at, bytes) != 0)
        return NULL;
    return at + bytes;
}

static bool at_frontier(const struct matcher *matcher, const uint8_t *at,
                        const struct gm_byte_set *set)
{
    const uint8_t before = at == matcher->begin ? 0 : at[-1];
    const uint8_t behind = at == matcher->end ? 0 : *at;
    return !gm_byte_set_has(set, before) && gm_byte_set_has(set, behind);
}

static const uint8_t *run_literal(const struct matcher *matcher, const uint8_t *at,
                                  const struct gm_pattern_literal *literal)
{
    const size_t bytes = literal->op.length;
    if ((size_t)(matcher->end - at) < bytes || *at != literal->bytes[0] ||
        memcmp(at, literal->bytes, bytes) != 0)
        return NULL;
    return at + bytes;
}

/* A repeat.  *done says whether what follows has been matched too; else that is to be done from
 * the place that is returned. */
static const uint8_t *run_repeat(struct matcher *matcher, const uint8_t *at,
                                 const struct gm_pattern_repeat *repeat, bool *done)
{
    const bool final = repeat->op.length & GM_REPEAT_FINAL;
    const uint8_t *limit = matcher->end;
    *done = !final;
    switch (repeat->op.kind) {
    case GM_OP_OPTIONAL:
        *done = false;
        if (at == matcher->end || !gm_byte_set_has(&repeat->set, *at))
            return at;
        if (final)
            return at + 1;
        const uint8_t *end = run(matcher, at + 1, gm_pattern_op_next(&repeat->op));
        *done = end || matcher->error;
        return *done ? end : at;
    case GM_OP_REPEAT:
        if (!(repeat->op.length & GM_REPEAT_ALL))
            limit = gm_byte_set_span(&repeat->set, matcher->begin, at, limit);
        if (limit - at < repeat->op.index)
            return NULL;
        return final ? limit : run_longest(matcher, at + repeat->op.index, limit, repeat);
    default:
        return run_shortest(matcher, at, repeat);
    }
}

/* --- a match -------------------------------------------------------------------------------- */

/* Matches from a place and an operation on; returns where the match ends, or NULL: there is none,
 * or matcher->error is set.  Its depth is at most the number of repeats. */
static const uint8_t *run(struct matcher *matcher, const uint8_t *at,
                          const struct gm_pattern_op *op)
{
    bool done;
    for (;; op = gm_pattern_op_next(op)) {
        switch ((enum gm_pattern_kind)op->kind) {
        case GM_OP_END:
            return at;
        case GM_OP_LAST:
            return at == matcher->end ? at : NULL;
        case GM_OP_LITERAL:
            at = run_literal(matcher, at, (const struct gm_pattern_literal *)op);
            break;
        case GM_OP_ANY:
            at = at < matcher->end ? at + 1 : NULL;
            break;
        case GM_OP_SET:
            if (at == matcher->end ||
                !gm_byte_set_has(&((const struct gm_pattern_set_op *)op)->set, *at))
                return NULL;
            at++;
            break;
        case GM_OP_OPTIONAL:
        case GM_OP_REPEAT:
        case GM_OP_SHORTEST:
            at = run_repeat(matcher, at, (const struct gm_pattern_repeat *)op, &done);
            if (done)
                return at;
            break;
        case GM_OP_OPEN:
            matcher->captures[op->index].start = offset(matcher, at);
            break;
        case GM_OP_POSITION:
            matcher->captures[op->index] =
                (struct gm_pattern_capture){offset(matcher, at), GM_PATTERN_POSITION};
            break;
        case GM_OP_CLOSE:
            matcher->captures[op->index].length =
                offset(matcher, at) - matcher->captures[op->index].start;
            break;
        case GM_OP_BACK:
            at = run_back(matcher, at, &matcher->captures[op->index]);
            break;
        case GM_OP_BALANCE:
            at = run_balance(matcher, at, op);
            break;
        case GM_OP_FRONTIER:
            if (!at_frontier(matcher, at, &((const struct gm_pattern_set_op *)op)->set))
                return NULL;
            break;
        case GM_OP_ERROR:
            matcher->error = -(int)op->index;
            return NULL;
        case GM_OP_FAIL:
            return NULL;
        }
        if (!at)
            return NULL;
    }
}

/* --- a search ------------------------------------------------------------------------------- */

/* The next place from `at` on where a match may begin, or NULL; at most `last`. */
static const uint8_t *place_next(const struct matcher *matcher, const uint8_t *at,
                                 const uint8_t *last)
{
    const struct gm_pattern *pattern = matcher->pattern;
    const struct gm_pattern_literal *literal;
    const uint8_t *end = last == matcher->end ? last : last + 1, *place;
    size_t bytes;
    switch (pattern->skip) {
    case GM_SKIP_FIRST:
    case GM_SKIP_RUN:
        place = gm_byte_set_find(gm_pattern_first(pattern), matcher->begin, at, end);
        return place == end ? NULL : place;
    case GM_SKIP_LITERAL:
        literal = (const struct gm_pattern_literal *)gm_pattern_ops(pattern);
        bytes = literal->op.length;
        if ((size_t)(matcher->end - last) >= bytes)
            end = last + bytes;
        else
            end = matcher->end;
        return gm_bytes_find(at, end, literal->bytes, bytes);
    default:
        return at;
    }
}

/* Searches from *at on, with beginnings up to `last`.  Returns 1: the match is [*at, *ret_end); 0:
 * none; or an error. */
static int search(struct matcher *matcher, const uint8_t **at, const uint8_t *last,
                  const uint8_t **ret_end)
{
    const struct gm_pattern *pattern = matcher->pattern;
    const struct gm_pattern_op *ops = gm_pattern_ops(pattern);
    const uint8_t *place = *at;
    for (;;) {
        if (!(pattern->flags & GM_PATTERN_ANCHORED))
            place = place_next(matcher, place, last);
        if (!place)
            return 0;
        const uint8_t *end = pattern->strategy == GM_STRATEGY_LITERAL
                                 ? place + ops->length
                                 : run(matcher, place, ops);
        if (end && pattern->flags & GM_PATTERN_UNFINISHED)
            matcher->error = -GM_PATTERN_CAPTURE_OPEN;
        if (matcher->error)
            return matcher->error;
        if (end) {
            *at = place;
            *ret_end = end;
            return 1;
        }
        if (pattern->flags & GM_PATTERN_ANCHORED || place == last)
            return 0;
        if (pattern->skip == GM_SKIP_RUN) {
            place = gm_byte_set_span(gm_pattern_first(pattern), matcher->begin, place,
                                     matcher->end);
            if (place > last)
                return 0;
        } else {
            place++;
        }
    }
}

int gm_pattern_find(const struct gm_pattern *pattern, const char *subject, size_t length,
                    size_t from, struct gm_pattern_match *ret)
{
    GM_CHECK(from <= length && length <= GM_PATTERN_SUBJECT_BYTES_MAX);
    struct matcher matcher;
    matcher.begin = (const uint8_t *)subject;
    matcher.end = matcher.begin + length;
    matcher.pattern = pattern;
    matcher.error = 0;
    const uint8_t *at = matcher.begin + from, *end;
    const int found = search(&matcher, &at, matcher.end, &end);
    if (found == 1) {
        ret->start = offset(&matcher, at);
        ret->end = offset(&matcher, end);
        memcpy(ret->captures, matcher.captures,
               pattern->capture_count * sizeof matcher.captures[0]);
    }
    return found;
}

/* --- a walk --------------------------------------------------------------------------------- */

void gm_pattern_walk_init(struct gm_pattern_walk *walk)
{
    memset(walk, 0, offsetof(struct gm_pattern_walk, items));
}

/* Runs of one set.  Where the text is cut, a run may have been cut too: it is completed. */
static int walk_runs(const struct gm_pattern *pattern, const uint8_t *subject, uint32_t length,
                     struct gm_pattern_walk *walk)
{
    const struct gm_byte_set *set = gm_pattern_first(pattern);
    struct gm_byte_run *runs = (struct gm_byte_run *)walk->items;
    uint32_t at = (uint32_t)walk->at, ahead = AHEAD_BYTES, count, cut;
    do {
        cut = length - at > ahead ? at + ahead : length;
        count = gm_byte_set_runs(set, subject, cut, &at, runs, (uint32_t)walk->room);
        ahead *= 2;
    } while (count == 0 && cut < length);
    if (count > 0 && at == cut && cut < length) {
        struct gm_byte_run *last = &runs[count - 1];
        at = (uint32_t)(gm_byte_set_span(set, subject, subject + cut, subject + length) - subject);
        if ((uint32_t)(last->start + last->length) == cut)
            last->length = (int32_t)at - last->start;
        else
            at = cut;
    }
    walk->at = (int32_t)at + (count == 0);
    return (int)count;
}

/* What a match gives: its captures, or itself. */
static void walk_take(struct gm_pattern_walk *walk, const struct matcher *matcher,
                      const uint8_t *at, const uint8_t *end)
{
    struct gm_pattern_capture *items = walk->items + walk->count;
    const uint32_t captures = matcher->pattern->capture_count;
    if (captures == 0)
        items[0] = (struct gm_pattern_capture){offset(matcher, at), (int32_t)(end - at)};
    for (uint32_t i = 0; i < captures; i++)
        items[i] = matcher->captures[i];
    walk->count += (int32_t)(captures ? captures : 1);
}

static int walk_search(struct matcher *matcher, struct gm_pattern_walk *walk, int room)
{
    const uint8_t *at = matcher->begin + walk->at;
    const uint8_t *last = matcher->end, *end;
    const uint8_t *ahead = matcher->end - at > AHEAD_BYTES ? at + AHEAD_BYTES : matcher->end;
    int count = 0;
    while (count < room && walk->at <= offset(matcher, last)) {
        at = matcher->begin + walk->at;
        const int found = search(matcher, &at, last, &end);
        if (found < 0)
            return found;
        if (found == 0) {
            walk->at = offset(matcher, last) + 1;
            return count;
        }
        walk_take(walk, matcher, at, end);
        walk->at = offset(matcher, end) + (end == at);
        count++;
        last = ahead;
    }
    return count;
}

int gm_pattern_walk(const struct gm_pattern *pattern, const char *subject, size_t length,
                    struct gm_pattern_walk *walk)
{
    GM_CHECK(length <= GM_PATTERN_SUBJECT_BYTES_MAX);
    walk->next = walk->count = 0;
    walk->room = walk->room < ROOM_FIRST ? ROOM_FIRST
                 : walk->room * 2 < GM_PATTERN_WALK_ITEMS ? walk->room * 2 : GM_PATTERN_WALK_ITEMS;
    if ((size_t)walk->at > length)
        return 0;
    int found;
    if (pattern->strategy == GM_STRATEGY_RUNS) {
        found = walk_runs(pattern, (const uint8_t *)subject, (uint32_t)length, walk);
        walk->count = found;
    } else {
        struct matcher matcher;
        matcher.begin = (const uint8_t *)subject;
        matcher.end = matcher.begin + length;
        matcher.pattern = pattern;
        matcher.error = 0;
        int room = GM_PATTERN_WALK_ITEMS / (pattern->capture_count ? pattern->capture_count : 1);
        found = walk_search(&matcher, walk, room < walk->room ? room : walk->room);
    }
    return found;
}

const char *gm_pattern_error_text(enum gm_pattern_error error)
{
    static const char *const texts[GM_PATTERN_ERROR_END] = {
        [GM_PATTERN_ENDS_WITH_ESCAPE] = "malformed pattern (ends with '%')",
        [GM_PATTERN_NO_BRACKET] = "malformed pattern (missing ']')",
        [GM_PATTERN_NO_FRONTIER_SET] = "missing '[' after '%f' in pattern",
        [GM_PATTERN_UNBALANCED] = "unbalanced pattern",
        [GM_PATTERN_CAPTURE_INDEX] = "invalid capture index",
        [GM_PATTERN_CAPTURE_CLOSE] = "invalid pattern capture",
        [GM_PATTERN_CAPTURE_OPEN] = "unfinished capture",
        [GM_PATTERN_CAPTURE_COUNT] = "too many captures",
    };
    GM_CHECK(error > 0 && error < GM_PATTERN_ERROR_END);
    return texts[error];
}
