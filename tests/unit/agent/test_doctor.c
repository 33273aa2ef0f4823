/* test_doctor.c - goal: each check gives the right verdict, value and command for what it finds,
 * and says so when it cannot look.
 * Method: trees of small files in a scratch folder stand for /proc and /sys; ports and folders are
 * made by the test.
 */
#include "agent/doctor/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/doctor/look.h"

static char root[64];
static struct gm_doctor_place place;
static struct gm_doctor_report report;
static int ring_result;

static int try_ring(void)
{
    return ring_result;
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/gleam-doctor-test-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    place = (struct gm_doctor_place){.root = root,
                                     .try_ring = try_ring,
                                     .disk_bytes = 4 << 20,
                                     .disk_ns = 1000000000};
    report.count = 0;
    ring_result = 0;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status, (void)kind, (void)ftw;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file of the tree, with the folders above it. */
static void put(const char *path, const char *text)
{
    char whole[256];
    assert_true(snprintf(whole, sizeof whole, "%s%s", root, path) < (int)sizeof whole);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(whole, 0777);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const struct gm_doctor_finding *find(const char *what)
{
    for (uint32_t i = 0; i < report.count; i++)
        if (strcmp(report.findings[i].what, what) == 0)
            return &report.findings[i];
    fail_msg("nothing was said about %s", what);
    return NULL;
}

/* value and command are parts of the text; an ok has neither a reason nor a command, the others
 * have a reason. */
static void expect(const char *what, enum gm_doctor_verdict verdict, const char *value,
                   const char *command)
{
    const struct gm_doctor_finding *found = find(what);
    if (found->verdict != verdict || strstr(found->value, value) == NULL ||
        strstr(found->command, command) == NULL)
        fail_msg("%s: verdict %d, '%s', '%s'", what, found->verdict, found->value, found->command);
    assert_int_equal(found->why[0] == '\0', verdict == GM_DOCTOR_OK);
    if (verdict == GM_DOCTOR_OK)
        assert_string_equal(found->command, "");
}

static void examine(void (*family)(const struct gm_doctor_place *, struct gm_doctor_report *))
{
    report.count = 0;
    family(&place, &report);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void kernels_are_old_middling_or_good(void **state)
{
    (void)state;
    static const struct {
        const char *release;
        enum gm_doctor_verdict verdict;
    } kernels[] = {
        {"6.1.0-18-amd64\n", GM_DOCTOR_OK}, {"5.11.0\n", GM_DOCTOR_OK},
        {"5.10.0\n", GM_DOCTOR_HINT},       {"4.14.1\n", GM_DOCTOR_HINT},
        {"4.9.0\n", GM_DOCTOR_PROBLEM},     {"3.10.0\n", GM_DOCTOR_PROBLEM},
    };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        put("/proc/sys/kernel/osrelease", kernels[i].release);
        examine(gm_doctor_kernel);
        expect("kernel", kernels[i].verdict, "",
               kernels[i].verdict == GM_DOCTOR_OK ? "" : "uname");
    }
    put("/proc/sys/kernel/osrelease", "none\n");
    examine(gm_doctor_kernel);
    expect("kernel", GM_DOCTOR_HINT, "unknown", "");
}

static void a_refused_ring_is_explained_by_its_cause(void **state)
{
    (void)state;
    examine(gm_doctor_kernel);
    expect("io_uring", GM_DOCTOR_OK, "made and used", "");
    ring_result = -EPERM;
    put("/proc/sys/kernel/io_uring_disabled", "2\n");
    examine(gm_doctor_kernel);
    expect("io_uring", GM_DOCTOR_HINT, "Operation not permitted",
           "sysctl -w kernel.io_uring_disabled=0");
    put("/proc/sys/kernel/io_uring_disabled", "0\n");
    put("/proc/self/status", "Name:\tx\nSeccomp:\t2\n");
    examine(gm_doctor_kernel);
    expect("io_uring", GM_DOCTOR_HINT, "refused", "seccomp=unconfined");
    ring_result = -ENOMEM;
    examine(gm_doctor_kernel);
    expect("io_uring", GM_DOCTOR_HINT, "refused", "ulimit -l unlimited");
    ring_result = -ENOSYS;
    put("/proc/self/status", "Seccomp:\t0\n");
    examine(gm_doctor_kernel);
    expect("io_uring", GM_DOCTOR_HINT, "refused", "IO_URING");
}

/* ---- cores ----------------------------------------------------------------------------------- */

static void put_cores(const char *allowed, const char *online)
{
    char text[128];
    snprintf(text, sizeof text, "Cpus_allowed:\tff\nCpus_allowed_list:\t%s\n", allowed);
    put("/proc/self/status", text);
    put("/sys/devices/system/cpu/online", online);
}

static void a_mask_that_leaves_cores_out_is_a_hint(void **state)
{
    (void)state;
    put_cores("0-7", "0-7\n");
    examine(gm_doctor_cores);
    expect("cores", GM_DOCTOR_OK, "8, all of this machine: 0-7", "");
    put_cores("0,2-3", "0-7\n");
    examine(gm_doctor_cores);
    expect("cores", GM_DOCTOR_HINT, "3 of 8: 0,2-3", "taskset -c 0-7");
    put("/proc/self/status", "Cpus_allowed_list:\tnonsense\n");
    examine(gm_doctor_cores);
    expect("cores", GM_DOCTOR_HINT, "unknown", "");
}

static void a_quota_below_the_cores_is_a_problem(void **state)
{
    (void)state;
    put_cores("0-3", "0-3\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_OK, "none", "");
    put("/proc/self/cgroup", "12:pids:/x\n0::/outer/inner\n");
    put("/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/outer/cpu.max", "250000 100000\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_PROBLEM, "2.50 cores of time on 4", "--cores 2");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_PROBLEM, "0.50 cores", "--cores 1");
    put("/sys/fs/cgroup/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/outer/cpu.max", "400000 100000\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_OK, "4.00 cores", "");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_OK, "4.00 cores", "");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    examine(gm_doctor_cores);
    expect("cpu quota", GM_DOCTOR_PROBLEM, "1.50 cores", "--cores 1");
}

static void isolated_cores_outside_the_mask_are_a_hint(void **state)
{
    (void)state;
    put_cores("0-3", "0-7\n");
    put("/sys/devices/system/cpu/isolated", "\n");
    examine(gm_doctor_cores);
    expect("isolated cores", GM_DOCTOR_OK, "none", "");
    put("/sys/devices/system/cpu/isolated", "2-3\n");
    examine(gm_doctor_cores);
    expect("isolated cores", GM_DOCTOR_OK, "2-3", "");
    put("/sys/devices/system/cpu/isolated", "4-6\n");
    examine(gm_doctor_cores);
    expect("isolated cores", GM_DOCTOR_HINT, "4-6", "taskset -c 4-6 gleam ... --cores 4-6");
}

static void hardware_threads_are_told_from_cores(void **state)
{
    (void)state;
    char path[96], text[16];
    put_cores("0-3", "0-3\n");
    for (int core = 0; core < 4; core++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 core);
        snprintf(text, sizeof text, "%d,%d\n", core % 2, core % 2 + 2);
        put(path, text);
    }
    examine(gm_doctor_cores);
    expect("threads per core", GM_DOCTOR_HINT, "4 hardware threads on 2 cores", "--cores 0-1");
    put_cores("0,3", "0-3\n"); /* one of each */
    examine(gm_doctor_cores);
    expect("threads per core", GM_DOCTOR_OK, "1", "");
}

static void governors_and_nodes(void **state)
{
    (void)state;
    put_cores("0-1", "0-1\n");
    examine(gm_doctor_cores);
    expect("frequency governor", GM_DOCTOR_OK, "none", "");
    expect("NUMA nodes", GM_DOCTOR_OK, "1", "");
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
    put("/sys/devices/system/node/online", "0-1\n");
    put("/sys/devices/system/node/node0/cpulist", "0\n");
    examine(gm_doctor_cores);
    expect("frequency governor", GM_DOCTOR_HINT, "powersave", "echo performance | sudo tee");
    expect("NUMA nodes", GM_DOCTOR_HINT, "2", "numactl --membind=0 gleam ... --cores 0");
    put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
    put("/sys/devices/system/node/online", "0\n");
    examine(gm_doctor_cores);
    expect("frequency governor", GM_DOCTOR_OK, "performance", "");
    expect("NUMA nodes", GM_DOCTOR_OK, "1", "");
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define HUGE "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static void huge_pages_are_counted(void **state)
{
    (void)state;
    examine(gm_doctor_memory);
    expect("huge pages", GM_DOCTOR_HINT, "none of 2 MiB", "");
    put("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n");
    put(HUGE "nr_hugepages", "0\n");
    put(HUGE "free_hugepages", "0\n");
    put(HUGE "resv_hugepages", "0\n");
    examine(gm_doctor_memory);
    expect("huge pages", GM_DOCTOR_HINT, "0 of 2 MiB reserved, 0 free", "echo 512 | sudo tee");
    put("/proc/meminfo", "MemTotal:       2048000 kB\n");
    examine(gm_doctor_memory);
    expect("huge pages", GM_DOCTOR_HINT, "0 free", "echo 251 | sudo tee"); /* a quarter */
    put(HUGE "nr_hugepages", "100\n");
    put(HUGE "free_hugepages", "40\n");
    put(HUGE "resv_hugepages", "40\n"); /* promised to somebody */
    examine(gm_doctor_memory);
    expect("huge pages", GM_DOCTOR_HINT, "100 of 2 MiB reserved, 0 free", "echo 351 | sudo tee");
    put(HUGE "resv_hugepages", "10\n");
    put("/sys/devices/system/node/online", "0-1\n");
    put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "60\n");
    put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "7\n");
    examine(gm_doctor_memory);
    expect("huge pages", GM_DOCTOR_OK, "30 free, node 1: 7 of 60 free", "");
}

static void transparent_pages_by_the_word_in_brackets(void **state)
{
    (void)state;
#define SHMEM "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
    put(SHMEM, "always within_size [advise] never deny force\n");
    examine(gm_doctor_memory);
    expect("transparent huge pages", GM_DOCTOR_OK, "advise", "");
    put(SHMEM, "always within_size advise [never] deny force\n");
    examine(gm_doctor_memory);
    expect("transparent huge pages", GM_DOCTOR_HINT, "never", "echo advise | sudo tee " SHMEM);
    put(SHMEM, "always within_size advise never [deny] force\n");
    examine(gm_doctor_memory);
    expect("transparent huge pages", GM_DOCTOR_HINT, "deny", "echo advise");
}

static void locked_memory_by_limit_and_capability(void **state)
{
    (void)state;
    examine(gm_doctor_memory);
    expect("locked memory", GM_DOCTOR_HINT, "unknown", "");
    put("/proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\n"
                             "Max locked memory         8388608   8388608   bytes\n");
    put("/proc/self/status", "CapEff:\t0000000000000000\n");
    examine(gm_doctor_memory);
    expect("locked memory", GM_DOCTOR_HINT, "8.0 MiB", "ulimit -l unlimited");
    put("/proc/self/status", "CapEff:\t0000000000004000\n");
    examine(gm_doctor_memory);
    expect("locked memory", GM_DOCTOR_OK, "CAP_IPC_LOCK", "");
    put("/proc/self/status", "CapEff:\t0000000000000000\n");
    put("/proc/self/limits", "Max locked memory         unlimited   unlimited   bytes\n");
    examine(gm_doctor_memory);
    expect("locked memory", GM_DOCTOR_OK, "at most what there is", "");
}

/* ---- disks ----------------------------------------------------------------------------------- */

static void a_folder_is_measured_and_left_as_it_was(void **state)
{
    (void)state;
    char what[96];
    place.folders[place.folder_count++] = root;
    examine(gm_doctor_disk);
    snprintf(what, sizeof what, "disk %s", root);
    assert_int_equal(report.count, 1);
    const struct gm_doctor_finding *found = find(what);
    assert_true(found->verdict != GM_DOCTOR_PROBLEM);
    assert_non_null(strstr(found->value, " free"));
    assert_int_equal(rmdir(root), 0); /* nothing is in it */
    assert_int_equal(mkdir(root, 0777), 0);
}

static void folders_that_cannot_be_written(void **state)
{
    (void)state;
    char missing[96], what[128];
    snprintf(missing, sizeof missing, "%s/none", root);
    place.folders[place.folder_count++] = missing;
    place.folders[place.folder_count++] = "/proc";
    examine(gm_doctor_disk);
    snprintf(what, sizeof what, "disk %s", missing);
    expect(what, GM_DOCTOR_PROBLEM, "No such file", "mkdir -p");
    assert_int_equal(find("disk /proc")->verdict, GM_DOCTOR_PROBLEM);
}

static void a_long_folder_is_named_by_its_end(void **state)
{
    (void)state;
    place.folders[place.folder_count++] =
        "/a/folder/whose/path/is/longer/than/the/column/that/it/is/printed/in";
    examine(gm_doctor_disk);
    assert_non_null(strstr(report.findings[0].what, "disk ..."));
    assert_non_null(strstr(report.findings[0].what, "/it/is/printed/in"));
}

static void memory_disks_are_hints(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK) != 0)
        skip();
    place.folders[place.folder_count++] = "/dev/shm";
    examine(gm_doctor_disk);
    expect("disk /dev/shm", GM_DOCTOR_HINT, "tmpfs", "TMPDIR");
}

/* ---- network and DPDK ------------------------------------------------------------------------ */

static void bbr_is_a_hint_with_a_figure(void **state)
{
    (void)state;
#define TCP "/proc/sys/net/ipv4/tcp_"
    examine(gm_doctor_network);
    expect("congestion control", GM_DOCTOR_HINT, "unknown", "");
    put(TCP "congestion_control", "cubic\n");
    put(TCP "available_congestion_control", "reno cubic\n");
    examine(gm_doctor_network);
    expect("congestion control", GM_DOCTOR_OK, "cubic (available: reno cubic)", "");
    put(TCP "congestion_control", "bbr\n");
    examine(gm_doctor_network);
    expect("congestion control", GM_DOCTOR_HINT, "bbr", "tcp_congestion_control=cubic");
    assert_non_null(strstr(find("congestion control")->why, "1.4 to 2.2"));
    put(TCP "available_congestion_control", "reno bbr\n");
    examine(gm_doctor_network);
    expect("congestion control", GM_DOCTOR_HINT, "bbr", "tcp_congestion_control=reno");
}

static void ports_are_tried(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char what[32], command[64];
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    place.ports[place.port_count++] = ntohs(address.sin_port);
    examine(gm_doctor_network);
    snprintf(what, sizeof what, "port %u", ntohs(address.sin_port));
    snprintf(command, sizeof command, "sport = :%u", ntohs(address.sin_port));
    expect(what, GM_DOCTOR_HINT, "taken", command);
    close(fd);
    examine(gm_doctor_network);
    expect(what, GM_DOCTOR_OK, "free", "");
}

static void dpdk_is_found_or_told_how_to_get(void **state)
{
    (void)state;
    examine(gm_doctor_dpdk);
    expect("DPDK", GM_DOCTOR_HINT, "not installed", "apt-get install libdpdk-dev");
    put("/etc/os-release", "NAME=Fedora\nID=fedora\n");
    examine(gm_doctor_dpdk);
    expect("DPDK", GM_DOCTOR_HINT, "not installed", "dnf install dpdk");
    put("/etc/os-release", "NAME=\"Arch Linux\"\nID=arch\n");
    examine(gm_doctor_dpdk);
    expect("DPDK", GM_DOCTOR_HINT, "not installed", "pacman -S --needed dpdk");
    put("/usr/lib64/librte_eal.so.23", "");
    examine(gm_doctor_dpdk);
    expect("DPDK", GM_DOCTOR_OK, "/usr/lib64/librte_eal.so.23", "");
}

/* ---- printing -------------------------------------------------------------------------------- */

static char *printed(void (*print)(const struct gm_doctor_report *, FILE *))
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    print(&report, file);
    fclose(file);
    return text;
}

static void text_and_json_say_the_same(void **state)
{
    (void)state;
    gm_look_say(&report, GM_DOCTOR_OK, "one", "fine");
    gm_look_say(&report, GM_DOCTOR_PROBLEM, "two \"2\"", "bad");
    gm_look_why(&report, "because of words that are many more than fit on a line of a terminal of "
                         "eighty columns");
    gm_look_command(&report, "mend --it");
    char *text = printed(gm_doctor_print);
    assert_string_equal(text, "ok       one: fine\n"
                              "problem  two \"2\": bad\n"
                              "         because of words that are many more than fit on a line of "
                              "a terminal\n"
                              "         of eighty columns\n"
                              "         $ mend --it\n");
    free(text);
    text = printed(gm_doctor_print_json);
    assert_non_null(strstr(text, "\"problems_count\": 1"));
    assert_non_null(strstr(text, "\"what\": \"two \\\"2\\\"\", \"verdict\": \"problem\", "
                                 "\"value\": \"bad\", \"why\": \"because"));
    assert_non_null(strstr(text, "\"command\": \"mend --it\"}"));
    free(text);
    assert_int_equal(gm_doctor_count(&report, GM_DOCTOR_OK), 1);
    assert_int_equal(gm_doctor_count(&report, GM_DOCTOR_HINT), 0);
}

static void an_empty_tree_stops_no_check(void **state)
{
    (void)state;
    gm_doctor_run(&place, &report);
    assert_true(report.count >= 12);
    for (uint32_t i = 0; i < report.count; i++)
        assert_true(report.findings[i].verdict != GM_DOCTOR_PROBLEM);
}

static void this_machine_is_a_place(void **state)
{
    (void)state;
    struct gm_doctor_place here;
    gm_doctor_place_here(&here);
    assert_string_equal(here.root, "");
    assert_int_equal(here.folder_count, 1);
    assert_int_equal(here.ports[0], 45326);
    assert_int_equal(here.ports[1], 45327);
    const int ring = here.try_ring();
    assert_true(ring == 0 || (ring < 0 && ring >= -4095));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kernels_are_old_middling_or_good),
        TEST(a_refused_ring_is_explained_by_its_cause),
        TEST(a_mask_that_leaves_cores_out_is_a_hint),
        TEST(a_quota_below_the_cores_is_a_problem),
        TEST(isolated_cores_outside_the_mask_are_a_hint),
        TEST(hardware_threads_are_told_from_cores),
        TEST(governors_and_nodes),
        TEST(huge_pages_are_counted),
        TEST(transparent_pages_by_the_word_in_brackets),
        TEST(locked_memory_by_limit_and_capability),
        TEST(a_folder_is_measured_and_left_as_it_was),
        TEST(folders_that_cannot_be_written),
        TEST(a_long_folder_is_named_by_its_end),
        TEST(memory_disks_are_hints),
        TEST(bbr_is_a_hint_with_a_figure),
        TEST(ports_are_tried),
        TEST(dpdk_is_found_or_told_how_to_get),
        TEST(text_and_json_say_the_same),
        TEST(an_empty_tree_stops_no_check),
        TEST(this_machine_is_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
