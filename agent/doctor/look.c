/* look.c - small files, lists and findings. */
#include "agent/doctor/look.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

static FILE *open_below(const char *root, const char *path)
{
    char whole[GM_PATH_BYTES_MAX];
    if (snprintf(whole, sizeof whole, "%s%s", root, path) >= (int)sizeof whole) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(whole, "re");
}

int gm_look_text(const char *root, const char *path, char *text, size_t text_bytes)
{
    text[0] = '\0';
    FILE *file = open_below(root, path);
    if (file == NULL)
        return -errno;
    size_t length = fread(text, 1, text_bytes - 1, file);
    const int rc = ferror(file) ? -EIO : 0;
    fclose(file);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[rc == 0 ? length : 0] = '\0';
    return rc;
}

int gm_look_u64(const char *root, const char *path, uint64_t *ret_number)
{
    char text[32];
    int rc = gm_look_text(root, path, text, sizeof text);
    if (rc < 0)
        return rc;
    text[strspn(text, "0123456789")] = '\0';
    return gm_text_parse_u64(text, UINT64_MAX, ret_number, NULL);
}

int gm_look_field(const char *root, const char *path, const char *key, char *text,
                  size_t text_bytes)
{
    char line[8192]; /* "Cpus_allowed" alone may be 2 KiB */
    const size_t key_length = strlen(key);
    FILE *file = open_below(root, path);
    text[0] = '\0';
    if (file == NULL)
        return -errno;
    int rc = -ENOENT;
    while (rc != 0 && fgets(line, sizeof line, file) != NULL) {
        const char *value = line + key_length;
        if (strncmp(line, key, key_length) != 0 || (*value != ':' && !isblank(*value)))
            continue;
        value += strspn(value, ": \t");
        snprintf(text, text_bytes, "%.*s", (int)strcspn(value, "\n"), value);
        rc = 0;
    }
    fclose(file);
    return rc;
}

int gm_look_parse_list(const char *text, struct gm_look_list *ret_list)
{
    ret_list->count = 0;
    if (text[0] == '\0')
        return 0;
    return gm_text_parse_core_list(text, ret_list->items, GM_LOOK_CORES_MAX, &ret_list->count,
                                   NULL);
}

int gm_look_list(const char *root, const char *path, struct gm_look_list *ret_list)
{
    char text[8192];
    int rc = gm_look_text(root, path, text, sizeof text);
    return rc < 0 ? rc : gm_look_parse_list(text, ret_list);
}

void gm_look_format_list(const struct gm_look_list *list, char *text, size_t text_bytes)
{
    size_t length = 0;
    snprintf(text, text_bytes, "%s", list->count == 0 ? "none" : "");
    for (uint32_t i = 0; i < list->count; i++) {
        const uint32_t first = list->items[i];
        char part[32];
        while (i + 1 < list->count && list->items[i + 1] == list->items[i] + 1)
            i++;
        const uint32_t last = list->items[i];
        snprintf(part, sizeof part, last > first ? "%s%u-%u" : "%s%u", length > 0 ? "," : "",
                 first, last);
        if (length + strlen(part) + sizeof ",..." > text_bytes) {
            snprintf(text + length, text_bytes - length, ",...");
            return;
        }
        length += (size_t)snprintf(text + length, text_bytes - length, "%s", part);
    }
}

bool gm_look_has(const struct gm_look_list *list, uint32_t item)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i] == item)
            return true;
    return false;
}

void gm_look_chosen(char *text)
{
    const char *open = strchr(text, '[');
    const char *close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL)
        return;
    const size_t length = (size_t)(close - open - 1);
    memmove(text, open + 1, length);
    text[length] = '\0';
}

void gm_look_install(const char *root, const char *debian, const char *fedora, const char *arch,
                     char *command, size_t command_bytes)
{
    char text[4096];
    gm_look_text(root, "/etc/os-release", text, sizeof text);
    if (strstr(text, "ID=fedora") != NULL || strstr(text, "rhel") != NULL)
        snprintf(command, command_bytes, "sudo dnf install %s", fedora);
    else if (strstr(text, "ID=arch") != NULL || strstr(text, "ID_LIKE=arch") != NULL)
        snprintf(command, command_bytes, "sudo pacman -S --needed %s", arch);
    else
        snprintf(command, command_bytes, "sudo apt-get install %s", debian);
}

void gm_look_say(struct gm_doctor_report *report, enum gm_doctor_verdict verdict, const char *what,
                 const char *format, ...)
{
    GM_CHECK(report->count < GM_DOCTOR_FINDINGS_MAX);
    struct gm_doctor_finding *finding = &report->findings[report->count++];
    *finding = (struct gm_doctor_finding){.verdict = verdict};
    snprintf(finding->what, sizeof finding->what, "%s", what);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->value, sizeof finding->value, format, arguments);
    va_end(arguments);
}

void gm_look_why(struct gm_doctor_report *report, const char *format, ...)
{
    struct gm_doctor_finding *finding = &report->findings[report->count - 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->why, sizeof finding->why, format, arguments);
    va_end(arguments);
}

void gm_look_command(struct gm_doctor_report *report, const char *format, ...)
{
    struct gm_doctor_finding *finding = &report->findings[report->count - 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->command, sizeof finding->command, format, arguments);
    va_end(arguments);
}
