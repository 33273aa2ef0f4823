/* fiber.c - ucontext, and what the sanitizers want to be told when stacks change. */
#include "tests/sim/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "engine/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SIM_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define SIM_TSAN 1
#endif

#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* An executor needs some 30 KiB; sanitizers make frames several times as large. */
#define STACK_BYTES ((size_t)1 << 20)
#define GUARD_BYTES ((size_t)4096)

struct sim_fiber {
    ucontext_t context;
    void (*function)(void *argument);
    void *argument;
    uint8_t *block; /* guard page, then the stack */
    bool ended;
    void *fake_stack; /* address sanitizer */
    void *shadow;     /* thread sanitizer */
};

static struct sim_fiber *current; /* NULL: outside */
static ucontext_t outside;

#ifdef SIM_ASAN
static const void *outside_stack;
static size_t outside_stack_bytes;
#endif
#ifdef SIM_TSAN
static void *outside_shadow;
#endif

/* Called on the new stack, first thing. */
static void arrived_inside(void *fake_stack)
{
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, &outside_stack, &outside_stack_bytes);
#else
    (void)fake_stack;
#endif
}

static void leave_inside(struct sim_fiber *fiber)
{
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(fiber->ended ? NULL : &fiber->fake_stack, outside_stack,
                                   outside_stack_bytes);
#endif
#ifdef SIM_TSAN
    __tsan_switch_to_fiber(outside_shadow, 0);
#endif
    current = NULL;
    swapcontext(&fiber->context, &outside);
}

static void entry(void)
{
    struct sim_fiber *fiber = current;
    arrived_inside(NULL);
    fiber->function(fiber->argument);
    fiber->ended = true;
    leave_inside(fiber);
    GM_CHECK(false); /* nobody resumes what has ended */
}

struct sim_fiber *sim_fiber_create(void (*function)(void *argument), void *argument)
{
    struct sim_fiber *fiber = calloc(1, sizeof *fiber);
    GM_CHECK(fiber != NULL);
    fiber->function = function;
    fiber->argument = argument;
    fiber->block = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    GM_CHECK(fiber->block != MAP_FAILED);
    GM_CHECK(mprotect(fiber->block, GUARD_BYTES, PROT_NONE) == 0);
    GM_CHECK(getcontext(&fiber->context) == 0);
    fiber->context.uc_stack.ss_sp = fiber->block + GUARD_BYTES;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, entry, 0);
#ifdef SIM_TSAN
    fiber->shadow = __tsan_create_fiber(0);
#endif
    return fiber;
}

void sim_fiber_destroy(struct sim_fiber *fiber)
{
    if (fiber == NULL)
        return;
    GM_CHECK(fiber != current);
#ifdef SIM_TSAN
    __tsan_destroy_fiber(fiber->shadow);
#endif
    munmap(fiber->block, GUARD_BYTES + STACK_BYTES);
    free(fiber);
}

void sim_fiber_resume(struct sim_fiber *fiber)
{
    GM_CHECK(current == NULL);
    GM_CHECK(!fiber->ended);
    current = fiber;
#ifdef SIM_ASAN
    void *fake_stack = NULL;
    __sanitizer_start_switch_fiber(&fake_stack, fiber->block + GUARD_BYTES, STACK_BYTES);
#endif
#ifdef SIM_TSAN
    outside_shadow = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->shadow, 0);
#endif
    swapcontext(&outside, &fiber->context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
}

void sim_fiber_yield(void)
{
    struct sim_fiber *fiber = current;
    GM_CHECK(fiber != NULL);
    leave_inside(fiber);
    arrived_inside(fiber->fake_stack);
}

bool sim_fiber_inside(void)
{
    return current != NULL;
}

bool sim_fiber_ended(const struct sim_fiber *fiber)
{
    return fiber->ended;
}
