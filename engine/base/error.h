/* error.h - return codes and the text that goes with them.
 *
 * A fallible function returns int: 0 done, GM_AGAIN nothing happened and nothing changed hands,
 * < 0 failed.  [-4095, -1] is the kernel's errno, untouched.  Below that, GM_ERR(scope, n): the
 * scope is the largest thing now broken, and the caller's recovery follows it.
 *
 * Where a person will read it, a function also takes a struct gm_error * and fills its text: what
 * failed, where, why, and what to do next, in one line without a final newline.
 */
#ifndef GM_BASE_ERROR_H
#define GM_BASE_ERROR_H

#include "engine/base/limits.h"

#define GM_AGAIN 1
#define GM_END 2 /* orderly end of a stream; nothing was lent */

enum gm_scope {
    GM_SCOPE_NONE,
    GM_SCOPE_FRAME,
    GM_SCOPE_LINK,
    GM_SCOPE_PEER,
    GM_SCOPE_TASK,
    GM_SCOPE_JOB,
};

#define GM_ERR(scope, n) (-((int)(scope) * 4096 + (n)))

enum {
    GM_EFRAME_CORRUPT = GM_ERR(GM_SCOPE_FRAME, 0), /* a frame or descriptor failed its checks */
    GM_EPEER_DIED = GM_ERR(GM_SCOPE_PEER, 0),      /* an executor is gone; the attempt is over */
    GM_EPEER_PROTOCOL = GM_ERR(GM_SCOPE_PEER, 1),  /* a control message made no sense */
    GM_EPEER_LOST = GM_ERR(GM_SCOPE_PEER, 2),      /* the stream to another node broke */
    GM_ETASK_MEMORY = GM_ERR(GM_SCOPE_TASK, 0),    /* the budget does not hold this task */
    GM_ETASK_SPILL = GM_ERR(GM_SCOPE_TASK, 1),     /* a spill file cannot be written or read */
    GM_EJOB_UDF = GM_ERR(GM_SCOPE_JOB, 0),         /* a user's function failed */
    GM_EJOB_FLOW = GM_ERR(GM_SCOPE_JOB, 1),        /* the flow itself is wrong */
    GM_EJOB_INPUT = GM_ERR(GM_SCOPE_JOB, 2),       /* an input cannot be read */
    GM_EJOB_OUTPUT = GM_ERR(GM_SCOPE_JOB, 3),      /* an output cannot be written */
    GM_EJOB_OPTION = GM_ERR(GM_SCOPE_JOB, 4),      /* an option does not fit this machine */
    GM_EJOB_CANCELLED = GM_ERR(GM_SCOPE_JOB, 5),   /* a person stopped it */
    GM_EJOB_CUT = GM_ERR(GM_SCOPE_JOB, 6),         /* a compressed input ends too early */
    GM_EJOB_DAMAGED = GM_ERR(GM_SCOPE_JOB, 7),     /* a compressed input makes no sense */
    GM_EJOB_COMMAND = GM_ERR(GM_SCOPE_JOB, 8),     /* a command that gives input failed */
    GM_EJOB_ADDRESS = GM_ERR(GM_SCOPE_JOB, 9),     /* no address that can be listened at */
};

struct gm_error {
    int code; /* 0 while nothing failed */
    char text[GM_ERROR_BYTES_MAX];
};

/* Sets code and text unless an error is already there: the first cause is the one to read.
 * Returns code.  error may be NULL. */
int gm_error_set(struct gm_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "task", "job", ... of a code; "system" for an errno. */
const char *gm_error_scope_name(int code);

/* strerror without its static buffer for the kernel's codes, a fixed phrase for ours.
 * The string lives for ever. */
const char *gm_error_name(int code);

#endif
