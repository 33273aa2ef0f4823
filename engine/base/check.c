/* check.c - the end of a process whose own state makes no sense. */
#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void gm_check_failed(const char *condition, const char *file, int line)
{
    /* The one print of a library: nobody is left to hand a code to. */
    fprintf(stderr, "gleam: check failed at %s:%d: %s\n", file, line, condition);
    abort();
}
