/* pipe_rig.h - an operator that runs commands, on a fake process port; for its tests. */
#ifndef GM_TESTS_PIPE_RIG_H
#define GM_TESTS_PIPE_RIG_H

#include "engine/flow/pipe_spec.h"
#include "tests/unit/op/fake_process.h"

/* step, input and spec are set; columns come in and go out. */
struct pipe_rig {
    struct rig rig;
    struct fake fake;
    struct gm_pipe_spec spec;
    struct rows out;
};

static inline void pipe_rig_init(struct pipe_rig *test, enum gm_step_kind kind,
                                 enum fake_program program, size_t pipe_bytes, uint64_t seed)
{
    *test = (struct pipe_rig){
        .rig = {.step = {.kind = kind, .name = "through", .where = "test.c:9"}}};
    fake_init(&test->fake, program, pipe_bytes, seed);
    test->spec = (struct gm_pipe_spec){
        .parallel = 4,
        .command_count = 1,
        .commands = {{.code = "program -x", .name = "through", .where = "test.c:9"}}};
}

static inline int pipe_rig_open(struct pipe_rig *test, uint64_t limit_bytes)
{
    struct rig *rig = &test->rig;
    assert_int_equal(gm_pipe_spec_encode(&test->spec, &rig->step), 0);
    assert_int_equal(gm_heap_init(&rig->heap, limit_bytes), 0);
    rig->op = (struct gm_op){.ops = gm_op_find(rig->step.kind),
                             .step = &rig->step,
                             .input_schema = &rig->input,
                             .heap = &rig->heap,
                             .error = &rig->error,
                             .partition = 6,
                             .processes = &test->fake.port};
    int rc = rig->op.ops->open(&rig->op);
    if (rc == 0 && rig->op.ops->begin != NULL)
        rc = rig->op.ops->begin(&rig->op, &rig->state);
    return rc;
}

static inline void pipe_rig_close(struct pipe_rig *test)
{
    rig_close(&test->rig);
    assert_int_equal(test->fake.running, 0);
    free(test->rig.step.parameter);
    rows_free(&test->out);
}

/* Until the operator has taken the batch.  A command that stands still for a million calls is a
 * deadlock. */
static inline int pipe_rig_push(struct pipe_rig *test, const struct gm_batch *in)
{
    for (uint32_t calls = 0; calls < 1000000; calls++) {
        const int rc = rig_process(&test->rig, in);
        if (rc < 0)
            return rc;
        assert_true(rc != GM_AGAIN || test->rig.out.row_count == 0);
        rows_take(&test->out, &test->rig.out);
        if (rc == GM_OP_NEED_INPUT || rc == GM_OP_ENOUGH)
            return 0;
    }
    fail_msg("the operator gets nowhere");
    return -1;
}

static inline int pipe_rig_rows(struct pipe_rig *test, const struct rows *rows, uint32_t per_batch)
{
    for (uint64_t first = 0; first < rows->row_count; first += per_batch) {
        struct input input;
        const uint64_t left = rows->row_count - first;
        input_make(&input, &test->rig.input, rows, first,
                   (uint32_t)(left < per_batch ? left : per_batch));
        const int rc = pipe_rig_push(test, &input.batch);
        input_free(&input);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static inline int pipe_rig_finish(struct pipe_rig *test)
{
    struct rig *rig = &test->rig;
    for (uint32_t calls = 0; rig->op.ops->finish != NULL && calls < 1000000; calls++) {
        rig->out.row_count = 0;
        rig->out.column_count = 0;
        const int rc = rig->op.ops->finish(&rig->op, rig->state, &rig->out);
        if (rc < 0)
            return rc;
        assert_true(rc != GM_AGAIN || rig->out.row_count == 0);
        rows_take(&test->out, &rig->out);
        if (rc == GM_OP_NEED_INPUT)
            return 0;
    }
    assert_null(rig->op.ops->finish);
    return 0;
}

static inline void assert_said(const struct pipe_rig *test, const char *words)
{
    if (strstr(test->rig.error.text, words) == NULL)
        fail_msg("'%s' is not in: %s", words, test->rig.error.text);
}

#endif
