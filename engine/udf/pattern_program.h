/* pattern_program.h - the form of a compiled pattern, between pattern_compile.c and pattern.c.
 *
 * program->code holds `first`, the set of bytes a match may begin with, and then operations one
 * behind the other.  An operation is a word, followed by what its kind needs, in whole words.
 * The order of the operations is the order of the pattern: there are no jumps, so what a capture
 * refers to is known when the pattern is compiled.
 */
#ifndef GM_UDF_PATTERN_PROGRAM_H
#define GM_UDF_PATTERN_PROGRAM_H

#include "engine/udf/byte_set.h"
#include "engine/udf/pattern.h"

enum gm_pattern_kind {
    GM_OP_END,      /* the match is there */
    GM_OP_LAST,     /* it is there if the subject has ended: '$' */
    GM_OP_LITERAL,  /* `length` bytes */
    GM_OP_ANY,      /* one byte */
    GM_OP_SET,      /* one byte of a set */
    GM_OP_OPTIONAL, /* struct gm_pattern_repeat from here: '?' */
    GM_OP_REPEAT,   /* at least `index`, as many as possible: '*', '+' */
    GM_OP_SHORTEST, /* as few as possible: '-' */
    GM_OP_OPEN,     /* capture `index` begins */
    GM_OP_POSITION, /* capture `index` is this place */
    GM_OP_CLOSE,    /* capture `index` ends */
    GM_OP_BACK,     /* what capture `index` holds */
    GM_OP_BALANCE,  /* '%b': from byte `index` to byte `length` */
    GM_OP_FRONTIER, /* '%f' of a set */
    GM_OP_ERROR,    /* error `index` */
    GM_OP_FAIL,     /* matches nothing */
};

struct gm_pattern_op {
    uint8_t kind;
    uint8_t index;
    uint16_t words; /* to the next operation */
    uint32_t length;
};

struct gm_pattern_set_op {
    struct gm_pattern_op op;
    struct gm_byte_set set;
};

/* Bits of op.length of a repeat. */
#define GM_REPEAT_ALL 1u   /* the set has every byte */
#define GM_REPEAT_FINAL 2u /* with fewer repetitions what follows cannot match either */
#define GM_REPEAT_NEXT 4u  /* what follows begins with a byte of `next` */

struct gm_pattern_repeat {
    struct gm_pattern_op op;
    struct gm_byte_set set;
    struct gm_byte_set next; /* of the shortest: a place where to stop and look */
};

struct gm_pattern_literal {
    struct gm_pattern_op op;
    uint8_t bytes[];
};

/* gm_pattern.strategy */
enum {
    GM_STRATEGY_GENERAL,
    GM_STRATEGY_LITERAL, /* the pattern is one literal */
    GM_STRATEGY_RUNS,    /* it is one set with '+', perhaps all captured */
};

/* gm_pattern.skip */
enum {
    GM_SKIP_ONE,     /* try everywhere */
    GM_SKIP_FIRST,   /* go to the next byte of `first` */
    GM_SKIP_RUN,     /* the same, and after a failure behind the whole run of them */
    GM_SKIP_LITERAL, /* go to the next place of the literal that the pattern begins with */
};

/* gm_pattern.flags */
#define GM_PATTERN_ANCHORED 1u
#define GM_PATTERN_UNFINISHED 2u /* a capture is never closed: an error once all has matched */

#define GM_PATTERN_FIRST_WORDS (sizeof(struct gm_byte_set) / 8)

static inline const struct gm_byte_set *gm_pattern_first(const struct gm_pattern *pattern)
{
    return (const struct gm_byte_set *)pattern->code;
}

static inline const struct gm_pattern_op *gm_pattern_ops(const struct gm_pattern *pattern)
{
    return (const struct gm_pattern_op *)(pattern->code + GM_PATTERN_FIRST_WORDS);
}

static inline const struct gm_pattern_op *gm_pattern_op_next(const struct gm_pattern_op *op)
{
    return (const struct gm_pattern_op *)((const uint64_t *)op + op->words);
}

#endif
