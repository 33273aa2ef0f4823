/* op.c - the table of operators, by kind of step. */
#include "engine/op/op.h"

#include "engine/base/check.h"

const struct gm_op_ops *gm_op_find(enum gm_step_kind kind)
{
    static const struct gm_op_ops *const table[GM_STEP_KINDS] = {
        [GM_STEP_TOKENIZE] = &gm_op_tokenize, [GM_STEP_APPEND_ONE] = &gm_op_append_one,
        [GM_STEP_CAST] = &gm_op_cast,         [GM_STEP_MAPPER] = &gm_op_mapper,
        [GM_STEP_COMBINE] = &gm_op_combine,   [GM_STEP_REDUCE] = &gm_op_reduce,
        [GM_STEP_SORT] = &gm_op_sort,         [GM_STEP_TOP] = &gm_op_top,
        [GM_STEP_FORMAT] = &gm_op_format,     [GM_STEP_WRITE] = &gm_op_write,
    };
    GM_CHECK((unsigned)kind < GM_STEP_KINDS);
    return table[kind];
}
