/* pattern_compile.c - patterns to programs; see pattern.h.
 *
 * The parser goes through a pattern as LuaJIT's matcher does: each item is read where the one
 * before it ended, whatever the subject is.  So errors and captures have fixed places, and what
 * stands behind an error is never reached.
 */
#include "engine/udf/pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "engine/udf/byte_set.h"
#include "engine/udf/pattern_program.h"

#define SPECIALS "^$*+?.([%-"

struct parser {
    const uint8_t *at;
    const uint8_t *end;
    struct gm_pattern *program;
    size_t words; /* of program->code that are written */
    uint32_t depth;
    bool full; /* there was no room for an operation */
    bool stop; /* what follows cannot be reached */
    bool has_back;
    uint8_t capture_count;
    bool open[GM_PATTERN_CAPTURES_MAX];
    struct gm_pattern_literal *literal; /* the last operation, if it can take one more byte */
};

/* The byte `ahead` of the place, or 0 behind the end: LuaJIT's patterns end with a NUL. */
static uint8_t peek(const struct parser *parser, size_t ahead)
{
    return (size_t)(parser->end - parser->at) > ahead ? parser->at[ahead] : 0;
}

/* --- writing -------------------------------------------------------------------------------- */

/* Room for an operation of so many bytes; NULL when the program is full. */
static void *emit(struct parser *parser, enum gm_pattern_kind kind, uint8_t index, size_t bytes)
{
    const size_t words = (bytes + 7) / 8;
    parser->literal = NULL;
    if (parser->full || words > GM_PATTERN_WORDS_MAX - parser->words) {
        parser->full = true;
        return NULL;
    }
    struct gm_pattern_op *op = (struct gm_pattern_op *)(parser->program->code + parser->words);
    memset(op, 0, words * 8);
    op->kind = (uint8_t)kind;
    op->index = index;
    op->words = (uint16_t)words;
    parser->words += words;
    return op;
}

static void emit_plain(struct parser *parser, enum gm_pattern_kind kind, uint8_t index)
{
    emit(parser, kind, index, sizeof(struct gm_pattern_op));
}

static void emit_error(struct parser *parser, enum gm_pattern_error error)
{
    emit_plain(parser, GM_OP_ERROR, (uint8_t)error);
    parser->stop = true;
}

/* Bytes in a row are one literal, which grows by a word when it is full. */
static void emit_byte(struct parser *parser, uint8_t byte)
{
    struct gm_pattern_literal *literal = parser->literal;
    if (!literal) {
        literal = emit(parser, GM_OP_LITERAL, 0, sizeof *literal + 8);
        if (!literal)
            return;
        parser->literal = literal;
    } else if (literal->op.length == (literal->op.words - 1u) * 8) {
        if (parser->words == GM_PATTERN_WORDS_MAX) {
            parser->full = true;
            return;
        }
        parser->program->code[parser->words++] = 0;
        literal->op.words++;
    }
    literal->bytes[literal->op.length++] = byte;
}

/* --- classes and sets ----------------------------------------------------------------------- */

static bool between(uint8_t byte, uint8_t low, uint8_t high)
{
    return low <= byte && byte <= high;
}

/* Is the byte in the class of a lower-case letter?  As <ctype.h> has them in the C locale. */
static bool in_class(uint8_t byte, uint8_t letter)
{
    const bool lower = between(byte, 'a', 'z'), upper = between(byte, 'A', 'Z');
    const bool digit = between(byte, '0', '9');
    switch (letter) {
    case 'a':
        return lower || upper;
    case 'c':
        return byte < 0x20 || byte == 0x7f;
    case 'd':
        return digit;
    case 'g':
        return between(byte, 0x21, 0x7e);
    case 'l':
        return lower;
    case 'p':
        return between(byte, 0x21, 0x7e) && !lower && !upper && !digit;
    case 's':
        return between(byte, '\t', '\r') || byte == ' ';
    case 'u':
        return upper;
    case 'w':
        return lower || upper || digit;
    case 'x':
        return digit || between(byte, 'a', 'f') || between(byte, 'A', 'F');
    default:
        return byte == 0; /* 'z' */
    }
}

/* Is '%' with this byte a class?  Else it is the byte itself. */
static bool is_class(uint8_t name)
{
    return between(name, 'A', 'z') && strchr("acdglpsuwxz", name | 0x20);
}

/* Adds what '%' and a byte stand for. */
static void add_class(struct gm_byte_set *set, uint8_t name)
{
    const uint8_t letter = name | 0x20;
    if (!is_class(name)) {
        gm_byte_set_add(set, name);
        return;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        if (in_class((uint8_t)byte, letter) == (name == letter))
            gm_byte_set_add(set, (uint8_t)byte);
}

/* The end of the item at the place, as LuaJIT finds it, or 0 after an error was written. */
static size_t item_bytes(struct parser *parser)
{
    size_t bytes = 1;
    switch (peek(parser, 0)) {
    case '%':
        if (peek(parser, 1) != 0)
            return 2;
        emit_error(parser, GM_PATTERN_ENDS_WITH_ESCAPE);
        return 0;
    case '[':
        bytes += peek(parser, 1) == '^';
        do { /* a ']' right at the beginning is an ordinary byte */
            const uint8_t byte = peek(parser, bytes);
            if (byte == 0) {
                emit_error(parser, GM_PATTERN_NO_BRACKET);
                return 0;
            }
            bytes += byte == '%' && peek(parser, bytes + 1) != 0 ? 2 : 1;
        } while (peek(parser, bytes) != ']');
        return bytes + 1;
    default:
        return 1;
    }
}

/* The set of "[...]", `bytes` long; the order of the tests is LuaJIT's. */
static void add_bracket(struct gm_byte_set *set, const uint8_t *item, size_t bytes)
{
    const uint8_t *last = item + bytes - 1; /* the ']' */
    const bool inverted = item[1] == '^';
    for (const uint8_t *at = item + 1 + inverted; at < last; at++) {
        if (*at == '%') {
            at++;
            add_class(set, *at);
        } else if (at[1] == '-' && at + 2 < last) {
            for (uint32_t byte = at[0]; byte <= at[2]; byte++)
                gm_byte_set_add(set, (uint8_t)byte);
            at += 2;
        } else {
            gm_byte_set_add(set, *at);
        }
    }
    if (inverted)
        gm_byte_set_invert(set);
}

static void add_item(struct gm_byte_set *set, const uint8_t *item, size_t bytes)
{
    switch (item[0]) {
    case '.':
        gm_byte_set_invert(set);
        break;
    case '%':
        add_class(set, item[1]);
        break;
    case '[':
        add_bracket(set, item, bytes);
        break;
    default:
        gm_byte_set_add(set, item[0]);
    }
}

/* --- the parser ----------------------------------------------------------------------------- */

/* One byte, or none, or several: an item and perhaps a suffix. */
static void parse_item(struct parser *parser)
{
    const uint8_t *item = parser->at;
    const size_t bytes = item_bytes(parser);
    if (bytes == 0)
        return;
    struct gm_byte_set set = {{0}};
    add_item(&set, item, bytes);
    parser->at += bytes;
    enum gm_pattern_kind kind = GM_OP_SET;
    switch (peek(parser, 0)) {
    case '?':
        kind = GM_OP_OPTIONAL;
        break;
    case '*':
    case '+':
        kind = GM_OP_REPEAT;
        break;
    case '-':
        kind = GM_OP_SHORTEST;
        break;
    default:
        break;
    }
    if (kind != GM_OP_SET) {
        struct gm_pattern_repeat *repeat = emit(parser, kind, peek(parser, 0) == '+',
                                                sizeof *repeat);
        if (repeat) {
            repeat->set = set;
            repeat->op.length = item[0] == '.' ? GM_REPEAT_ALL : 0;
        }
        parser->at++;
        parser->depth++;
    } else if (item[0] == '.') {
        emit_plain(parser, GM_OP_ANY, 0);
    } else if (item[0] == '[' || (item[0] == '%' && is_class(item[1]))) {
        struct gm_pattern_set_op *one = emit(parser, GM_OP_SET, 0, sizeof *one);
        if (one)
            one->set = set;
    } else {
        emit_byte(parser, item[bytes - 1]);
    }
}

static void parse_open(struct parser *parser)
{
    const bool position = peek(parser, 1) == ')';
    if (parser->capture_count == GM_PATTERN_CAPTURES_MAX) {
        emit_error(parser, GM_PATTERN_CAPTURE_COUNT);
        return;
    }
    parser->open[parser->capture_count] = !position;
    emit_plain(parser, position ? GM_OP_POSITION : GM_OP_OPEN, parser->capture_count++);
    parser->at += position ? 2 : 1;
    parser->depth++;
}

static void parse_close(struct parser *parser)
{
    uint8_t index = parser->capture_count;
    while (index > 0 && !parser->open[index - 1])
        index--;
    if (index == 0) {
        emit_error(parser, GM_PATTERN_CAPTURE_CLOSE);
        return;
    }
    parser->open[index - 1] = false;
    emit_plain(parser, GM_OP_CLOSE, index - 1);
    parser->at++;
    parser->depth++;
}

static bool is_position(const struct parser *parser, uint8_t index)
{
    const struct gm_pattern_op *op = gm_pattern_ops(parser->program);
    const uint64_t *end = parser->program->code + parser->words;
    for (; (const uint64_t *)op < end; op = gm_pattern_op_next(op))
        if (op->kind == GM_OP_POSITION && op->index == index)
            return true;
    return false;
}

/* '%' and a digit.  No text equals a position: LuaJIT takes its length for a huge one. */
static void parse_back(struct parser *parser)
{
    const uint8_t index = (uint8_t)(peek(parser, 1) - '1'); /* '0' is 255 */
    if (index >= parser->capture_count || parser->open[index]) {
        emit_error(parser, GM_PATTERN_CAPTURE_INDEX);
        return;
    }
    emit_plain(parser, is_position(parser, index) ? GM_OP_FAIL : GM_OP_BACK, index);
    parser->has_back = true;
    parser->at += 2;
}

static void parse_balance(struct parser *parser)
{
    const uint8_t begin = peek(parser, 2), end = begin ? peek(parser, 3) : 0;
    if (end == 0) {
        emit_error(parser, GM_PATTERN_UNBALANCED);
        return;
    }
    struct gm_pattern_op *op = emit(parser, GM_OP_BALANCE, begin, sizeof *op);
    if (op)
        op->length = end;
    parser->at += 4;
}

static void parse_frontier(struct parser *parser)
{
    parser->at += 2;
    if (peek(parser, 0) != '[') {
        emit_error(parser, GM_PATTERN_NO_FRONTIER_SET);
        return;
    }
    const size_t bytes = item_bytes(parser);
    if (bytes == 0)
        return;
    struct gm_pattern_set_op *frontier = emit(parser, GM_OP_FRONTIER, 0, sizeof *frontier);
    if (frontier)
        add_bracket(&frontier->set, parser->at, bytes);
    parser->at += bytes;
}

static void parse_one(struct parser *parser)
{
    const uint8_t byte = peek(parser, 0), second = peek(parser, 1);
    if (byte == '(') {
        parse_open(parser);
    } else if (byte == ')') {
        parse_close(parser);
    } else if (byte == '%' && second == 'b') {
        parse_balance(parser);
    } else if (byte == '%' && second == 'f') {
        parse_frontier(parser);
    } else if (byte == '%' && between(second, '0', '9')) {
        parse_back(parser);
    } else if (byte == '$' && second == 0) {
        emit_plain(parser, GM_OP_LAST, 0);
        parser->stop = true;
    } else {
        parse_item(parser);
    }
}

/* --- what can be known before any subject --------------------------------------------------- */

static const struct gm_pattern_op *consuming(const struct gm_pattern_op *op)
{
    while (op->kind == GM_OP_OPEN || op->kind == GM_OP_CLOSE || op->kind == GM_OP_POSITION)
        op = gm_pattern_op_next(op);
    return op;
}

/* True when a match from `op` on must begin with a byte of *ret, and does nothing else before it
 * has seen that byte: it raises no error.  At '$' the set is empty. */
static bool first_bytes(const struct gm_pattern_op *op, struct gm_byte_set *ret)
{
    *ret = (struct gm_byte_set){{0}};
    op = consuming(op);
    switch (op->kind) {
    case GM_OP_LAST:
        return true;
    case GM_OP_LITERAL:
        gm_byte_set_add(ret, ((const struct gm_pattern_literal *)op)->bytes[0]);
        return true;
    case GM_OP_BALANCE:
        gm_byte_set_add(ret, op->index);
        return true;
    case GM_OP_ANY:
        gm_byte_set_invert(ret);
        return true;
    case GM_OP_SET:
        *ret = ((const struct gm_pattern_set_op *)op)->set;
        return true;
    case GM_OP_REPEAT:
        *ret = ((const struct gm_pattern_repeat *)op)->set;
        return op->index == 1;
    default:
        return false;
    }
}

/* When what follows cannot begin with a byte of the set, the longest repetition is the only one
 * that can match, of the shortest too. */
static void tune_repeat(struct gm_pattern_repeat *repeat)
{
    const struct gm_pattern_op *next = gm_pattern_op_next(&repeat->op);
    struct gm_byte_set first;
    if (repeat->op.kind != GM_OP_SHORTEST && consuming(next)->kind == GM_OP_END) {
        repeat->op.length |= GM_REPEAT_FINAL;
    } else if (first_bytes(next, &first)) {
        if (gm_byte_set_disjoint(&first, &repeat->set)) {
            repeat->op.length |= GM_REPEAT_FINAL;
            if (repeat->op.kind == GM_OP_SHORTEST)
                repeat->op.kind = GM_OP_REPEAT;
        }
        repeat->next = first;
        repeat->op.length |= GM_REPEAT_NEXT;
        if (repeat->op.kind == GM_OP_SHORTEST) {
            struct gm_byte_set others = repeat->set;
            gm_byte_set_invert(&others);
            gm_byte_set_join(&repeat->next, &others);
        }
    }
}

/* Chooses how a search goes through a subject. */
static void choose_strategy(struct parser *parser)
{
    struct gm_pattern *program = parser->program;
    const struct gm_pattern_op *op = gm_pattern_ops(program), *begin = consuming(op);
    struct gm_byte_set *first = (struct gm_byte_set *)program->code;
    if (first_bytes(op, first) && begin->kind != GM_OP_LAST) {
        program->skip = GM_SKIP_FIRST;
        if (begin->kind == GM_OP_REPEAT && begin->length & GM_REPEAT_FINAL && !parser->has_back)
            program->skip = GM_SKIP_RUN;
        if (begin->kind == GM_OP_LITERAL && begin == op)
            program->skip = GM_SKIP_LITERAL;
    }
    if (program->flags)
        return;
    if (op->kind == GM_OP_LITERAL && gm_pattern_op_next(op)->kind == GM_OP_END)
        program->strategy = GM_STRATEGY_LITERAL;
    const bool captured = op->kind == GM_OP_OPEN;
    const struct gm_pattern_op *run = captured ? gm_pattern_op_next(op) : op;
    if (run->kind == GM_OP_REPEAT && run->index == 1) {
        const struct gm_pattern_op *behind = gm_pattern_op_next(run);
        if (captured && behind->kind == GM_OP_CLOSE)
            behind = gm_pattern_op_next(behind);
        if (behind->kind == GM_OP_END)
            program->strategy = GM_STRATEGY_RUNS;
    }
}

static bool has_specials(const char *pattern, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (pattern[i] != '\0' && strchr(SPECIALS, pattern[i]))
            return true;
    return false;
}

static void parse(struct parser *parser, enum gm_pattern_use use)
{
    if (use != GM_PATTERN_GMATCH && peek(parser, 0) == '^') {
        parser->program->flags |= GM_PATTERN_ANCHORED;
        parser->at++;
    }
    while (!parser->stop && !parser->full && peek(parser, 0) != 0)
        parse_one(parser);
}

int gm_pattern_compile(const char *pattern, size_t length, enum gm_pattern_use use,
                       struct gm_pattern *ret, const char **ret_why)
{
    const uint8_t *begin = (const uint8_t *)pattern;
    struct parser parser = {.at = begin, .end = begin + length, .program = ret,
                            .words = GM_PATTERN_FIRST_WORDS, .depth = 1};
    memset(ret, 0, offsetof(struct gm_pattern, code) + GM_PATTERN_FIRST_WORDS * 8);
    if (use == GM_PATTERN_FIND && !has_specials(pattern, length)) {
        for (size_t i = 0; i < length && !parser.full; i++)
            emit_byte(&parser, begin[i]);
    } else {
        parse(&parser, use);
    }
    emit_plain(&parser, GM_OP_END, 0);
    if (parser.full || parser.depth > GM_PATTERN_DEPTH_MAX) {
        *ret_why = parser.full ? "pattern too long" : "pattern too complex";
        return -E2BIG;
    }
    ret->capture_count = parser.capture_count;
    for (uint8_t i = 0; i < parser.capture_count; i++)
        ret->flags |= parser.open[i] ? GM_PATTERN_UNFINISHED : 0;
    ret->bytes = (uint32_t)(offsetof(struct gm_pattern, code) + parser.words * 8);
    for (const struct gm_pattern_op *op = gm_pattern_ops(ret); op->kind != GM_OP_END;
         op = gm_pattern_op_next(op))
        if (op->kind == GM_OP_OPTIONAL || op->kind == GM_OP_REPEAT || op->kind == GM_OP_SHORTEST)
            tune_repeat((struct gm_pattern_repeat *)op);
    choose_strategy(&parser);
    return 0;
}
