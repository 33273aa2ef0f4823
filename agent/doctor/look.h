/* look.h - what the doctor's checks share: small files below a root, lists of cores, and findings.
 *
 * Threads: any.  Memory: the caller's.
 */
#ifndef GM_AGENT_DOCTOR_LOOK_H
#define GM_AGENT_DOCTOR_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/doctor/doctor.h"
#include "engine/base/text.h"

#define GM_LOOK_CORES_MAX (GM_TEXT_CORE_MAX + 1)

/* A list of core or node numbers, as the kernel prints one. */
struct gm_look_list {
    uint32_t items[GM_LOOK_CORES_MAX];
    uint32_t count;
};

/* The first text_bytes - 1 bytes of the file root + path, without the newline at the end.  Returns
 * 0, or -errno with text "". */
int gm_look_text(const char *root, const char *path, char *text, size_t text_bytes);
/* A decimal number that the file begins with.  Returns 0, -errno, or -EINVAL for another text. */
int gm_look_u64(const char *root, const char *path, uint64_t *ret_number);
/* The value of a line "key: value" or "key value", without blanks around it.  Returns 0, -errno,
 * or -ENOENT when no line has that key. */
int gm_look_field(const char *root, const char *path, const char *key, char *text,
                  size_t text_bytes);
/* A list such as "0-3,6"; an empty file is an empty list.  Returns 0, -errno or -EINVAL. */
int gm_look_list(const char *root, const char *path, struct gm_look_list *ret_list);
int gm_look_parse_list(const char *text, struct gm_look_list *ret_list);
/* The other way: "0-3,6"; "none" for an empty one; cut with "..." when it does not fit. */
void gm_look_format_list(const struct gm_look_list *list, char *text, size_t text_bytes);
bool gm_look_has(const struct gm_look_list *list, uint32_t item);
/* The word in brackets of "always [never] ..."; the whole text when there is none.  In place. */
void gm_look_chosen(char *text);
/* The command that installs a package, by /etc/os-release; names in the order of Debian, Fedora and
 * Arch. */
void gm_look_install(const char *root, const char *debian, const char *fedora, const char *arch,
                     char *command, size_t command_bytes);

/* Adds a finding; one more than GM_DOCTOR_FINDINGS_MAX is a failed check. */
void gm_look_say(struct gm_doctor_report *report, enum gm_doctor_verdict verdict, const char *what,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Explain the finding that was added last. */
void gm_look_why(struct gm_doctor_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gm_look_command(struct gm_doctor_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
