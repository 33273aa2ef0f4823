/* dpdk.c - whether DPDK's libraries are installed; the folders are those of the dynamic linker. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "agent/doctor/look.h"
#include "engine/base/limits.h"

#define LIBRARY "librte_eal.so"

/* The library's name in this folder, "" when it is not there. */
static void find_in(const char *root, const char *folder, char *name, size_t name_bytes)
{
    char path[GM_PATH_BYTES_MAX];
    name[0] = '\0';
    snprintf(path, sizeof path, "%s%s", root, folder);
    DIR *listing = opendir(path);
    if (listing == NULL)
        return;
    for (struct dirent *entry; name[0] == '\0' && (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, LIBRARY, strlen(LIBRARY)) == 0)
            snprintf(name, name_bytes, "%s", entry->d_name);
    closedir(listing);
}

void gm_doctor_dpdk(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    static const char *const folders[] = {
        "/usr/local/lib", "/usr/local/lib64", "/usr/local/lib/x86_64-linux-gnu",
        "/usr/local/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    };
    char name[256], command[256];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        find_in(place->root, folders[i], name, sizeof name);
        if (name[0] == '\0')
            continue;
        gm_look_say(report, GM_DOCTOR_OK, "DPDK", "%s/%s", folders[i], name);
        return;
    }
    gm_look_say(report, GM_DOCTOR_HINT, "DPDK", "not installed");
    gm_look_why(report, "Only needed to drive network cards without the kernel; everything else "
                        "works without it.");
    gm_look_install(place->root, "libdpdk-dev", "dpdk", "dpdk", command, sizeof command);
    gm_look_command(report, "%s", command);
}
