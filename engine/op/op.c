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
        [GM_STEP_FORMAT] = &gm_op_format,     [GM_STEP_LUA] = &gm_op_lua,
        [GM_STEP_FILTER] = &gm_op_filter,
        [GM_STEP_JOIN] = &gm_op_join,
        [GM_STEP_SELECT] = &gm_op_select,     [GM_STEP_LOCAL_LIMIT] = &gm_op_local_limit,
        [GM_STEP_LIMIT] = &gm_op_limit,       [GM_STEP_DISTINCT] = &gm_op_distinct,
        [GM_STEP_PARTIAL_DISTINCT] = &gm_op_partial_distinct,
        [GM_STEP_GROUP] = &gm_op_group,       [GM_STEP_COGROUP] = &gm_op_group,
        [GM_STEP_PIPE] = &gm_op_pipe,
        [GM_STEP_PIPE_ARGS] = &gm_op_pipe_args,
        [GM_STEP_WRITE] = &gm_op_write,       [GM_STEP_MEASURE] = &gm_op_measure,
        [GM_STEP_WHERE] = &gm_op_where,       [GM_STEP_MARKS] = &gm_op_marks,
        [GM_STEP_MEAN_PARTS] = &gm_op_mean_parts,
        [GM_STEP_MEAN] = &gm_op_mean,
        [GM_STEP_SAMPLE] = &gm_op_sample,     [GM_STEP_SAMPLE_KEYS] = &gm_op_sample_keys,
        [GM_STEP_DEFAULT] = &gm_op_default,
    };
    GM_CHECK((unsigned)kind < GM_STEP_KINDS);
    return table[kind];
}
