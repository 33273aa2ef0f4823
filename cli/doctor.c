/* doctor.c - `gleam doctor`: what of this machine helps or hinders, and what mends it. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/doctor/doctor.h"
#include "cli/cli.h"

static const char help[] =
    "usage: gleam doctor [--json] [--dir DIR]...\n"
    "\n"
    "Looks at this machine and says, a line for each check, what is ok, what is a hint (gleam\n"
    "works, and would work better otherwise), and what is a problem (something would fail, or be\n"
    "many times slower); below it, why, and the command that mends it.  Nothing is changed.\n"
    "\n"
    "options\n"
    "  --dir DIR             measure spilling to DIR; may be given several times (default: that\n"
    "                        of --spill-dir, $TMPDIR or /var/tmp).  Up to 64 MiB are written\n"
    "                        and read in a second\n"
    "  --json                one JSON object\n"
    "\n"
    "exit status\n"
    "  0 when nothing is a problem, 1 when something is, 2 for a mistake in the command\n"
    "\n"
    "examples\n"
    "  gleam doctor\n"
    "  gleam doctor --dir /mnt/nvme0 --dir /mnt/nvme1\n"
    "  gleam doctor --json | python3 -m json.tool\n";

static void take_folders(int *argc, char **argv, struct gm_doctor_place *place)
{
    const char *folder = gm_cli_option(argc, argv, "--dir");
    for (uint32_t count = 0; folder != NULL; folder = gm_cli_option(argc, argv, "--dir")) {
        if (folder[0] == '\0' || count == GM_DOCTOR_FOLDERS_MAX) {
            fprintf(stderr, "gleam doctor: --dir: %s\n",
                    folder[0] == '\0' ? "the path of a folder" : "at most 16 folders");
            exit(2);
        }
        place->folders[count++] = folder;
        place->folder_count = count;
    }
}

int gm_cli_doctor(int argc, char **argv)
{
    static struct gm_doctor_report report;
    struct gm_doctor_place place;
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    gm_doctor_place_here(&place);
    const int json = gm_cli_flag(&argc, argv, "--json");
    take_folders(&argc, argv, &place);
    gm_cli_no_more_options(&argc, argv);
    if (argc > 1) {
        fprintf(stderr, "gleam doctor: what is '%s'? See --help.\n", argv[1]);
        return 2;
    }
    gm_doctor_run(&place, &report);
    if (json)
        gm_doctor_print_json(&report, stdout);
    else
        gm_doctor_print(&report, stdout);
    if (fflush(stdout) != 0) {
        perror("gleam doctor: standard output");
        return 1;
    }
    return gm_doctor_count(&report, GM_DOCTOR_PROBLEM) == 0 ? 0 : 1;
}
