/* options.c - parsing run options and looking at the machine for what they leave open. */
#include "agent/options.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/http.h"
#include "engine/base/text.h"

const char gm_options_help[] =
    "  --cores N|LIST        run on N cores, or on these: 0-3,6 (default: all)\n"
    "  --executors N         number of executors (default: one per core; with --master, as\n"
    "                        many as the cluster has free)\n"
    "  --memory SIZE         memory for everything: 512M, 4G (default: half of what is free)\n"
    "  --hugepages SIZE|auto|off\n"
    "                        huge pages: a shared region of SIZE, or an error; auto takes\n"
    "                        what there is (default: auto)\n"
    "  --spill-dir DIR[,DIR] where rows go that memory has no room for; may be given more than\n"
    "                        once (default: $TMPDIR, or /var/tmp)\n"
    "  --master HOST:PORT    run on the agents of this master\n"
    "  --key FILE            the cluster's key, made by gleam keygen (default: what\n"
    "                        GLEAM_KEY_FILE names)\n"
    "  --stats FILE|-        write counters as JSON\n"
    "  --timeout SECONDS     stop the job, with status 124, when it takes longer: 90, 0.5\n"
    "  --quiet               no progress, and no summary at the end\n"
    "  --in-process          executors as threads of this process, for a debugger\n"
    "  --plan[=text|dot|svg]\n"
    "                        print the plan instead of running it: as text, for Graphviz, or\n"
    "                        as a picture (default: text)\n"
    "  --analyze             run, then print the plan to standard error with the rows, bytes,\n"
    "                        share of time and skew of each step; --plan=FORM chooses the form\n";

static int refuse(struct gm_error *error, const char *name, const char *value, const char *why)
{
    return gm_error_set(error, GM_EJOB_OPTION, "--%s %s: %s", name, value, why);
}

static int set_cores(struct gm_options *options, const char *value, struct gm_error *error)
{
    const char *why = "";
    uint64_t count;
    if (strpbrk(value, "-,") == NULL) {
        if (gm_text_parse_u64(value, GM_EXECUTORS_MAX, &count, &why) < 0 || count == 0)
            return refuse(error, "cores", value,
                          "a number of cores from 1 to 256, or a list such as 0-3,6");
        cpu_set_t mine;
        CPU_ZERO(&mine);
        sched_getaffinity(0, sizeof mine, &mine);
        options->core_count = 0;
        for (uint32_t core = 0; core < CPU_SETSIZE && options->core_count < count; core++)
            if (CPU_ISSET(core, &mine))
                options->cores[options->core_count++] = core;
        if (options->core_count < count) {
            char text[96];
            snprintf(text, sizeof text, "this process may use only %d cores; see nproc",
                     CPU_COUNT(&mine));
            return refuse(error, "cores", value, text);
        }
        return 0;
    }
    if (gm_text_parse_core_list(value, options->cores, GM_EXECUTORS_MAX, &options->core_count,
                                &why) < 0)
        return refuse(error, "cores", value, why);
    return 0;
}

static int set_hugepages(struct gm_options *options, const char *value, struct gm_error *error)
{
    const char *why = "";
    options->huge_bytes = 0;
    if (strcmp(value, "auto") == 0) {
        options->pages = GM_PAGES_AUTO;
        return 0;
    }
    if (strcmp(value, "off") == 0) {
        options->pages = GM_PAGES_OFF;
        return 0;
    }
    if (gm_text_parse_size(value, &options->huge_bytes, &why) < 0 || options->huge_bytes == 0)
        return refuse(error, "hugepages", value, "a size such as 512M, auto or off");
    options->pages = GM_PAGES_HUGE;
    return 0;
}

static int set_number(const char *name, const char *value, uint64_t max, uint32_t *ret,
                      struct gm_error *error)
{
    const char *why = "";
    uint64_t number;
    if (gm_text_parse_u64(value, max, &number, &why) < 0 || number == 0)
        return refuse(error, name, value, "a number from 1 to 256");
    *ret = (uint32_t)number;
    return 0;
}

#define TIMEOUT_SECONDS_MAX UINT64_C(1000000000) /* 31 years */

/* Seconds with an optional fraction, of which nine digits count. */
static int set_timeout(struct gm_options *options, const char *value, struct gm_error *error)
{
    static const char want[] = "seconds, more than none: 90 or 0.5";
    char whole[32], fraction[10] = "000000000";
    const char *why = "", *point = strchr(value, '.');
    const size_t length = point != NULL ? (size_t)(point - value) : strlen(value);
    uint64_t seconds, ns = 0;
    if (length >= sizeof whole)
        return refuse(error, "timeout", value, want);
    snprintf(whole, sizeof whole, "%.*s", (int)length, value);
    if (gm_text_parse_u64(whole, TIMEOUT_SECONDS_MAX, &seconds, &why) < 0)
        return refuse(error, "timeout", value, want);
    if (point != NULL) {
        const size_t digits = strspn(point + 1, "0123456789");
        if (digits == 0 || point[1 + digits] != '\0')
            return refuse(error, "timeout", value, want);
        memcpy(fraction, point + 1, digits < 9 ? digits : 9);
        ns = strtoull(fraction, NULL, 10);
    }
    options->timeout_ns = seconds * UINT64_C(1000000000) + ns;
    return options->timeout_ns == 0 ? refuse(error, "timeout", value, want) : 0;
}

uint32_t gm_spill_paths_list(const struct gm_spill_paths *paths,
                             const char *ret_names[GM_SPILL_DIRECTORIES_MAX])
{
    const char *name = paths->names;
    for (uint32_t i = 0; i < paths->count; i++, name += strlen(name) + 1)
        ret_names[i] = name;
    return paths->count;
}

static int add_spill_directory(struct gm_options *options, const char *name, size_t length,
                               struct gm_error *error)
{
    struct gm_spill_paths *paths = &options->spill;
    const char *names[GM_SPILL_DIRECTORIES_MAX];
    char path[GM_PATH_BYTES_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%.*s", (int)length, name);
    size_t used = 0;
    for (uint32_t i = 0; i < gm_spill_paths_list(paths, names); i++)
        used += strlen(names[i]) + 1;
    if (length == 0)
        return refuse(error, "spill-dir", name, "the name of a directory is empty");
    if (paths->count == GM_SPILL_DIRECTORIES_MAX || used + length + 1 > sizeof paths->names)
        return refuse(error, "spill-dir", path, "there may be 16 directories, of 4 KiB in all");
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return refuse(error, "spill-dir", path, "it is no directory");
    if (access(path, W_OK | X_OK) < 0)
        return refuse(error, "spill-dir", path, "this user may not make files there");
    memcpy(paths->names + used, path, length + 1);
    paths->count++;
    return 0;
}

/* Names with commas between. */
static int set_spill(struct gm_options *options, const char *value, struct gm_error *error)
{
    for (;;) {
        const size_t length = strcspn(value, ",");
        int rc = add_spill_directory(options, value, length, error);
        if (rc < 0 || value[length] == '\0')
            return rc;
        value += length + 1;
    }
}

static bool is_flag(const char *name)
{
    return strcmp(name, "quiet") == 0 || strcmp(name, "in-process") == 0 ||
           strcmp(name, "plan") == 0 || strcmp(name, "analyze") == 0;
}

/* --plan and --plan=FORM: the one flag that may have a value. */
static int set_plan(struct gm_options *options, const char *value, struct gm_error *error)
{
    if (value != NULL && gm_plan_form_parse(value, &options->plan_form) < 0)
        return refuse(error, "plan", value, "text, dot or svg");
    options->plan_only = true;
    return 0;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = {"cores",   "executors", "memory", "hugepages", "stats",
                                        "timeout", "spill-dir", "master", "key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

int gm_options_set(struct gm_options *options, const char *name, const char *value,
                   struct gm_error *error)
{
    const char *why = "";
    if (strcmp(name, "plan") == 0)
        return set_plan(options, value, error);
    if (is_flag(name)) {
        options->quiet = options->quiet || strcmp(name, "quiet") == 0;
        options->in_process = options->in_process || strcmp(name, "in-process") == 0;
        options->analyze = options->analyze || strcmp(name, "analyze") == 0;
        return 0;
    }
    if (!takes_value(name))
        return gm_error_set(error, GM_EJOB_OPTION, "there is no option --%s", name);
    if (value == NULL)
        return gm_error_set(error, GM_EJOB_OPTION, "--%s needs a value", name);
    if (strcmp(name, "cores") == 0)
        return set_cores(options, value, error);
    if (strcmp(name, "spill-dir") == 0)
        return set_spill(options, value, error);
    if (strcmp(name, "hugepages") == 0)
        return set_hugepages(options, value, error);
    if (strcmp(name, "timeout") == 0)
        return set_timeout(options, value, error);
    if (strcmp(name, "executors") == 0)
        return set_number(name, value, GM_EXECUTORS_MAX, &options->executor_count, error);
    if (strcmp(name, "memory") == 0) {
        if (gm_text_parse_size(value, &options->memory_bytes, &why) < 0 ||
            options->memory_bytes == 0)
            return refuse(error, name, value, "a size such as 512M or 4G");
        return 0;
    }
    if (strcmp(name, "master") == 0) {
        char host[GM_HOST_BYTES_MAX];
        uint16_t port;
        int rc = gm_address_parse(name, value, host, &port, error);
        if (rc < 0)
            return rc;
        gm_address_format(host[0] != '\0' ? host : "127.0.0.1", port, options->master,
                          sizeof options->master);
        return 0;
    }
    const bool is_key = strcmp(name, "key") == 0;
    char *path = is_key ? options->key_path : options->stats_path;
    if (strlen(value) >= sizeof options->stats_path || value[0] == '\0')
        return refuse(error, name, value,
                      is_key ? "the path of a key file"
                             : "the path of a file, or - for standard output");
    snprintf(path, sizeof options->stats_path, "%s", value);
    return 0;
}

int gm_options_take(struct gm_options *options, int *argc, char **argv, struct gm_error *error)
{
    int kept = 1;
    int i = 1;
    for (; i < *argc; i++) {
        char name[32] = "";
        if (strcmp(argv[i], "--") == 0)
            break;
        const char *equals = strchr(argv[i], '=');
        const size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        if (strncmp(argv[i], "--", 2) == 0 && length - 2 < sizeof name)
            memcpy(name, argv[i] + 2, length - 2);
        if (!is_flag(name) && !takes_value(name)) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (value == NULL && takes_value(name) && i + 1 < *argc)
            value = argv[++i];
        int rc = gm_options_set(options, name, value, error);
        if (rc < 0)
            return rc;
    }
    for (; i < *argc; i++)
        argv[kept++] = argv[i];
    argv[kept] = NULL;
    *argc = kept;
    return 0;
}

static void format_cores(const cpu_set_t *cores, char *text, size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (int core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, cores))
            continue;
        int last = core;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cores))
            last++;
        if (length < text_bytes)
            length += (size_t)snprintf(text + length, text_bytes - length,
                                       last > core ? "%s%d-%d" : "%s%d", length > 0 ? "," : "",
                                       core, last);
        core = last;
    }
}

static int settle_cores(struct gm_options *options, struct gm_error *error)
{
    cpu_set_t mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    if (options->core_count == 0)
        for (uint32_t core = 0; core < CPU_SETSIZE; core++)
            if (CPU_ISSET(core, &mine) && options->core_count < GM_EXECUTORS_MAX)
                options->cores[options->core_count++] = core;
    for (uint32_t i = 0; i < options->core_count; i++) {
        const uint32_t core = options->cores[i];
        if (core < CPU_SETSIZE && CPU_ISSET(core, &mine))
            continue;
        char text[256];
        format_cores(&mine, text, sizeof text);
        return gm_error_set(error, GM_EJOB_OPTION,
                            "--cores: core %u is not there; this process may use cores %s", core,
                            text);
    }
    /* How many a cluster has is told with the job's agents. */
    if (options->executor_count == 0 && options->master[0] == '\0')
        options->executor_count = options->core_count;
    return 0;
}

/* A number from a file such as memory.max; UINT64_MAX for "max" and for what cannot be read. */
static uint64_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    unsigned long long number;
    const int found = fscanf(file, "%llu", &number);
    fclose(file);
    return found == 1 ? number : UINT64_MAX;
}

static uint64_t available_bytes(void)
{
    uint64_t available = UINT64_C(1) << 30;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file != NULL) {
        char line[128];
        unsigned long long kib;
        while (fgets(line, sizeof line, file) != NULL)
            if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
                available = (uint64_t)kib << 10;
        fclose(file);
    }
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint64_t limit = read_limit(limits[i]);
        available = limit < available ? limit : available;
    }
    return available;
}

/* What says something of this machine says nothing of the agents. */
static int settle_master(struct gm_options *options, struct gm_error *error)
{
    const char *alone = options->in_process       ? "in-process"
                        : options->core_count > 0 ? "cores"
                        : options->pages != GM_PAGES_AUTO ? "hugepages"
                        : options->spill.count > 0        ? "spill-dir"
                                                          : NULL;
    if (alone != NULL)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "--%s does not go with --master: it is said to each gleam agent, and a "
                            "job takes --executors N and --memory SIZE",
                            alone);
    options->agent_memory_bytes = options->memory_bytes;
    options->memory_bytes = 0;
    return 0;
}

int gm_options_settle(struct gm_options *options, struct gm_error *error)
{
    int rc = options->master[0] != '\0' ? settle_master(options, error) : 0;
    if (rc == 0)
        rc = settle_cores(options, error);
    if (rc < 0)
        return rc;
    if (options->memory_bytes == 0)
        options->memory_bytes = available_bytes() / 2;
    if (options->spill.count == 0) {
        /* Not /tmp: that is memory on many systems.  Whether it is there matters only to who
         * spills. */
        const char *set = getenv("TMPDIR");
        const bool usable = set != NULL && set[0] != '\0' && strlen(set) < GM_PATH_BYTES_MAX;
        snprintf(options->spill.names, sizeof options->spill.names, "%s",
                 usable ? set : "/var/tmp");
        options->spill.count = 1;
    }
    return 0;
}
