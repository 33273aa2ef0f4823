/* stdin.c - one descriptor, made at the first call and kept. */
#include "agent/stdin.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

/* Out of the way of what programs open. */
#define LEAST 100

int gm_stdin_descriptor(void)
{
    static _Atomic int made = -1;
    int number = atomic_load(&made);
    if (number >= 0)
        return number;
    number = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, LEAST);
    int none = -1;
    if (number >= 0 && !atomic_compare_exchange_strong(&made, &none, number)) {
        close(number);
        number = none;
    }
    return number;
}
