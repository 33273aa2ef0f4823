/* kernel.c - the kernel's version, and whether it lets this process have an io_uring. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/doctor/look.h"
#include "engine/base/error.h"

/* memfd_create with MFD_HUGETLB is from 4.14, and so is the rest that has no other way. */
#define KERNEL_NEEDED 414
/* Registered rings, polled waits and reads without a worker thread: all of it since 5.11. */
#define KERNEL_GOOD 511

static void check_version(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    char text[128];
    unsigned major = 0, minor = 0;
    int rc = gm_look_text(place->root, "/proc/sys/kernel/osrelease", text, sizeof text);
    if (rc < 0 || sscanf(text, "%u.%u", &major, &minor) != 2) {
        gm_look_say(report, GM_DOCTOR_HINT, "kernel", "unknown");
        gm_look_why(report, "/proc/sys/kernel/osrelease: %s",
                    rc < 0 ? gm_error_name(rc) : "no version in it");
        return;
    }
    const unsigned version = major * 100 + (minor < 99 ? minor : 99);
    if (version >= KERNEL_GOOD) {
        gm_look_say(report, GM_DOCTOR_OK, "kernel", "%s", text);
        return;
    }
    gm_look_say(report, version < KERNEL_NEEDED ? GM_DOCTOR_PROBLEM : GM_DOCTOR_HINT, "kernel",
                "%s", text);
    if (version < KERNEL_NEEDED)
        gm_look_why(report, "The shared region needs memfd_create with huge pages: 4.14 or newer.");
    else
        gm_look_why(report, "io_uring is complete since 5.11; before that gleam may have to read "
                            "files with pread.");
    gm_look_command(report, "uname -r   # then boot a newer kernel of your distribution");
}

static void explain_refusal(struct gm_doctor_report *report, int refusal, uint64_t disabled,
                            bool filtered)
{
    static const char cost[] = "Files are read with pread instead, which keeps one read in flight "
                               "where io_uring keeps several: slower from a cold disk.";
    if (disabled > 0) {
        gm_look_why(report, "kernel.io_uring_disabled is %llu: the system forbids it%s. %s",
                    (unsigned long long)disabled,
                    disabled == 1 ? " to processes without CAP_SYS_ADMIN" : "", cost);
        gm_look_command(report, "sudo sysctl -w kernel.io_uring_disabled=0");
    } else if (refusal == -ENOMEM) {
        gm_look_why(report, "Rings count against the limit of locked memory here. %s", cost);
        gm_look_command(report, "ulimit -l unlimited   # or raise memlock in "
                                "/etc/security/limits.conf");
    } else if (filtered) {
        gm_look_why(report, "A seccomp filter, as container runtimes set one, forbids it. %s",
                    cost);
        gm_look_command(report, "docker run --security-opt seccomp=unconfined ...   # or a profile "
                                "that allows io_uring_setup, io_uring_enter, io_uring_register");
    } else {
        gm_look_why(report, "This kernel, or this build of gleam, has none that is of use. %s",
                    cost);
        gm_look_command(report, "grep IO_URING /boot/config-$(uname -r)");
    }
}

static void check_ring(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    uint64_t disabled = 0;
    char seccomp[16];
    if (gm_look_u64(place->root, "/proc/sys/kernel/io_uring_disabled", &disabled) < 0)
        disabled = 0; /* kernels before 6.6 have no such switch */
    gm_look_field(place->root, "/proc/self/status", "Seccomp", seccomp, sizeof seccomp);
    const int refusal = place->try_ring();
    if (refusal == 0) {
        gm_look_say(report, GM_DOCTOR_OK, "io_uring", "allowed, a ring was made and used");
        return;
    }
    gm_look_say(report, GM_DOCTOR_HINT, "io_uring", "refused: %s", gm_error_name(refusal));
    explain_refusal(report, refusal, disabled, strcmp(seccomp, "2") == 0);
}

void gm_doctor_kernel(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    check_version(place, report);
    check_ring(place, report);
}
