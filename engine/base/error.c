/* error.c - names of codes, and the text of the first cause. */
#include "engine/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERRNO_MAX 4095

int gm_error_set(struct gm_error *error, int code, const char *format, ...)
{
    if (error == NULL || error->code != 0)
        return code;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return code;
}

const char *gm_error_scope_name(int code)
{
    static const char *const names[] = {
        [GM_SCOPE_NONE] = "none", [GM_SCOPE_FRAME] = "frame", [GM_SCOPE_LINK] = "link",
        [GM_SCOPE_PEER] = "peer", [GM_SCOPE_TASK] = "task",   [GM_SCOPE_JOB] = "job"};
    if (code >= 0)
        return "none";
    if (code >= -ERRNO_MAX)
        return "system";
    const unsigned scope = (0u - (unsigned)code) / 4096;
    return scope < sizeof names / sizeof names[0] ? names[scope] : "unknown";
}

const char *gm_error_name(int code)
{
    switch (code) {
    case 0:
        return "no error";
    case GM_AGAIN:
        return "nothing happened yet";
    case GM_END:
        return "end of the stream";
    case GM_EFRAME_CORRUPT:
        return "a frame failed its checks";
    case GM_EPEER_DIED:
        return "an executor died";
    case GM_EPEER_PROTOCOL:
        return "a control message made no sense";
    case GM_EPEER_LOST:
        return "the connection to another node broke";
    case GM_ETASK_MEMORY:
        return "the memory budget is spent";
    case GM_ETASK_SPILL:
        return "a spill file cannot be written or read";
    case GM_EJOB_UDF:
        return "a user's function failed";
    case GM_EJOB_FLOW:
        return "the flow is wrong";
    case GM_EJOB_INPUT:
        return "an input cannot be read";
    case GM_EJOB_OUTPUT:
        return "an output cannot be written";
    case GM_EJOB_OPTION:
        return "an option does not fit";
    case GM_EJOB_CANCELLED:
        return "stopped";
    case GM_EJOB_CUT:
        return "the compressed data ends in the middle; was the file cut?";
    case GM_EJOB_DAMAGED:
        return "the compressed data is damaged, or something else";
    case GM_EJOB_ADDRESS:
        return "it is no address HOST:PORT whose host is a number or localhost";
    case GM_EJOB_COMMAND:
        return "the command failed; what it said itself stands above";
    default:
        break;
    }
    const char *text = NULL;
    if (code < 0 && code >= -ERRNO_MAX)
        text = strerrordesc_np(-code);
    return text != NULL ? text : "unknown error";
}
