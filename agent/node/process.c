/* process.c - from the setup to the outcome. */
#include "agent/node/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/command_disk.h"
#include "agent/job.h"
#include "agent/node/mail.h"
#include "agent/node/order.h"
#include "agent/node/outcome.h"
#include "agent/node/transport.h"
#include "engine/base/check.h"
#include "engine/flow/plan_codec.h"
#include "shuffle/port/clock.h"

extern char **environ;

/* How often the loop looks at what has no descriptor, and tells how far it is. */
#define TICK_MS 100
#define STATUS_NS UINT64_C(200000000)
/* Connections of the other nodes have to be there after so long. */
#define CONNECT_NS UINT64_C(10000000000)
#define CHECK_NS UINT64_C(500000000)

struct node {
    int mail;
    struct gm_setup setup;
    struct gm_order order;
    void *order_map;
    struct gm_plan plan;
    struct gm_region region;
    struct gm_session session;
    struct gm_crew crew;
    struct gm_executor_counts counts;
    struct gm_transport *transport;
    int connections[GM_NODES_MAX]; /* by node; -1: none yet */
    uint32_t connection_count;
    int note; /* eventfd, for the transport */
    struct gm_clock clock;
    struct gm_node_status told;
    uint64_t told_ns;
    struct gm_error error;
};

/* ---- set-up ---------------------------------------------------------------------------------- */

/* Pins this process, of which only the transport works. */
static void pin(const struct gm_setup *setup)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (uint32_t i = 0; i < setup->core_count; i++)
        CPU_SET(setup->cores[i], &cores);
    if (setup->transport_core != UINT32_MAX) {
        CPU_ZERO(&cores);
        CPU_SET(setup->transport_core, &cores);
    }
    sched_setaffinity(0, sizeof cores, &cores);
}

static int take_order(struct node *node, int order_fd)
{
    const struct gm_setup *setup = &node->setup;
    node->order_map = mmap(NULL, setup->order_bytes, PROT_READ, MAP_PRIVATE, order_fd, 0);
    if (node->order_map == MAP_FAILED) {
        node->order_map = NULL;
        return gm_error_set(&node->error, -errno, "cannot map the order: %s",
                            gm_error_name(-errno));
    }
    int rc = gm_order_decode(node->order_map, setup->order_bytes, &node->order, &node->error);
    if (rc == 0 && (setup->node + 1 >= node->order.node_count ||
                    setup->core_count != node->order.nodes[setup->node].executor_count))
        rc = gm_error_set(&node->error, GM_EPEER_PROTOCOL,
                          "the driver's order does not fit the agent's grant");
    if (rc == 0)
        rc = gm_plan_decode(node->order.plan, node->order.plan_bytes, &node->plan, &node->error);
    /* Where it is not there, only relative paths fail, and say so. */
    if (rc == 0 && chdir(node->order.directory) < 0)
        errno = 0;
    return rc;
}

/* The setup comes first, and with it the order. */
static int take_setup(struct node *node)
{
    uint8_t *data = malloc(GM_MAIL_BYTES_MAX);
    size_t bytes;
    int order_fd;
    if (data == NULL)
        return gm_error_set(&node->error, -ENOMEM, "no memory for the process of a job");
    const int kind = gm_mail_receive(node->mail, 0, data, &bytes, &order_fd);
    int rc = kind == GM_MAIL_SETUP && bytes == sizeof node->setup && order_fd >= 0
                 ? 0
                 : gm_error_set(&node->error, GM_EPEER_PROTOCOL,
                                "the agent's setup makes no sense");
    if (rc == 0) {
        memcpy(&node->setup, data, sizeof node->setup);
        pin(&node->setup);
        rc = take_order(node, order_fd);
    }
    if (order_fd >= 0)
        close(order_fd);
    free(data);
    return rc;
}

/* What the agent gave, as the options of a job of one node. */
static void fill_options(const struct gm_setup *setup, struct gm_options *options)
{
    *options = (struct gm_options){.core_count = setup->core_count,
                                   .executor_count = setup->core_count,
                                   .memory_bytes = setup->memory_bytes,
                                   .pages = (enum gm_pages_want)setup->pages,
                                   .huge_bytes = setup->huge_bytes,
                                   .spill = setup->spill};
    memcpy(options->cores, setup->cores, sizeof options->cores);
}

static int start_executors(struct node *node)
{
    struct gm_options options;
    struct gm_region_spec spec = {0};
    struct gm_memory_split split;
    const struct gm_job_place place = gm_order_place(&node->order, node->setup.node);
    fill_options(&node->setup, &options);
    int rc = gm_job_divide(&node->plan, &options, &place, &spec, &split, &node->error);
    spec.attempt = node->order.attempt;
    spec.secret = node->order.secret;
    if (rc == 0)
        rc = gm_region_create(&spec, options.pages, &node->region, &node->error);
    if (rc == 0) {
        gm_job_lend(&node->region, &node->plan, &split);
        rc = gm_session_start(&node->session, &options, &node->error);
    }
    if (rc == 0 && gm_executor_counts_init(&node->counts, &node->plan) < 0)
        rc = gm_error_set(&node->error, -ENOMEM, "no memory for counters");
    if (rc < 0)
        return rc;
    const struct gm_job_message message = {.memory_bytes = split.heap_bytes,
                                           .least_bytes = split.least_bytes,
                                           .spin_ns = GM_SPIN_NS,
                                           .analyze = node->order.analyze,
                                           .spill = node->setup.spill};
    node->crew = gm_session_crew(&node->session);
    return node->crew.ops->send(&node->session, &node->region, &node->plan, &message,
                                &node->error);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int start_transport(struct node *node)
{
    const struct gm_transport_spec spec = {.region = &node->region,
                                           .order = &node->order,
                                           .node = node->setup.node,
                                           .bells = node->session.bells,
                                           .connections = node->connections,
                                           .note = node->note};
    return gm_transport_start(&spec, &node->transport, &node->error);
}

/* A connection to another node, or the agent's end.  Returns 0 or < 0. */
static int take_mail(struct node *node, uint8_t *data)
{
    size_t bytes;
    int fd;
    uint32_t from;
    const int kind = gm_mail_receive(node->mail, MSG_DONTWAIT, data, &bytes, &fd);
    if (kind == 0)
        return 0;
    if (kind < 0)
        return gm_error_set(&node->error, kind, "the agent is gone");
    if (kind == GM_MAIL_CONNECTION && bytes == sizeof from && fd >= 0) {
        memcpy(&from, data, sizeof from);
        if (from < node->order.node_count && from != node->setup.node &&
            node->connections[from] < 0) {
            node->connections[from] = fd;
            node->connection_count++;
            return node->connection_count + 1 == node->order.node_count ? start_transport(node)
                                                                        : 0;
        }
    }
    if (fd >= 0)
        close(fd); /* a second one of the same node: nobody needs it */
    return 0;
}

static void add_status(const struct gm_region *region, struct gm_node_status *status)
{
    for (uint32_t i = 0; i < region->spec.local_count; i++) {
        const struct gm_ledger_entry *entry =
            gm_region_ledger(region, region->spec.first_local + i);
        status->input_bytes += atomic_load_explicit(&entry->input_bytes, memory_order_relaxed);
        for (uint32_t r = 0; r < GM_LEDGER_ROWS_MAX; r++)
            status->rows[r] += atomic_load_explicit(&entry->rows[r], memory_order_relaxed);
    }
}

/* Tells how far the node is, when that changed. */
static int tell_status(struct node *node, uint64_t now_ns)
{
    struct gm_node_status status = {0};
    if (now_ns - node->told_ns < STATUS_NS)
        return 0;
    node->told_ns = now_ns;
    add_status(&node->region, &status);
    if (memcmp(&status, &node->told, sizeof status) == 0)
        return 0;
    node->told = status;
    return gm_mail_send(node->mail, GM_MAIL_STATUS, &status, sizeof status, -1);
}

static void wait_a_little(struct node *node)
{
    int sockets[GM_EXECUTORS_MAX];
    struct pollfd watched[2 + GM_EXECUTORS_MAX];
    const uint32_t count =
        node->crew.ops->descriptors(&node->session, sockets, GM_EXECUTORS_MAX);
    watched[0] = (struct pollfd){.fd = node->mail, .events = POLLIN};
    watched[1] = (struct pollfd){.fd = node->note, .events = POLLIN};
    for (uint32_t i = 0; i < count; i++)
        watched[2 + i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
    uint64_t noted;
    if (poll(watched, 2 + count, TICK_MS) > 0 && watched[1].revents != 0 &&
        read(node->note, &noted, sizeof noted) < 0)
        return;
}

/* What is still missing when the connections do not come. */
static int refuse_lonely(struct node *node)
{
    for (uint32_t i = 0; i < node->order.node_count; i++)
        if (i != node->setup.node && node->connections[i] < 0)
            return gm_error_set(&node->error, GM_EPEER_LOST,
                                "no data connection to %s after 10 s: is its port open to the "
                                "other nodes?",
                                node->order.nodes[i].name);
    return 0;
}

/* Until the executors and the transport have ended.  Returns 0 or < 0. */
static int run(struct node *node, uint8_t *data)
{
    const uint64_t begin_ns = gm_clock_now_ns(&node->clock);
    uint64_t checked_ns = begin_ns;
    bool executors_done = false, transport_done = false;
    while (!executors_done || !transport_done) {
        const uint64_t now_ns = gm_clock_now_ns(&node->clock);
        int rc = take_mail(node, data);
        if (rc == 0 && !executors_done) {
            rc = node->crew.ops->collect(&node->session, &node->region, &node->plan,
                                         &node->counts, &node->error);
            executors_done = rc == 0;
            rc = rc == GM_AGAIN ? 0 : rc;
        }
        if (rc == 0 && node->transport != NULL && !transport_done) {
            rc = gm_transport_state(node->transport, &node->error);
            transport_done = rc == 0;
            rc = rc == GM_AGAIN ? 0 : rc;
        }
        if (rc == 0 && node->transport == NULL && now_ns - begin_ns >= CONNECT_NS)
            rc = refuse_lonely(node);
        if (rc == 0)
            rc = tell_status(node, now_ns);
        if (rc == 0 && now_ns - checked_ns >= CHECK_NS) {
            rc = gm_job_check_region(&node->region, &node->error);
            checked_ns = now_ns;
        }
        if (rc < 0)
            return rc;
        if (!executors_done || !transport_done)
            wait_a_little(node);
    }
    return gm_job_check_region(&node->region, &node->error);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The cause of a broken connection may be an executor of this node that is just dying. */
static void prefer_executors_error(struct node *node)
{
    struct gm_error own = {0};
    if (node->error.code != GM_EPEER_LOST && node->error.code != GM_EFRAME_CORRUPT)
        return;
    if (node->crew.ops->collect(&node->session, &node->region, &node->plan, &node->counts, &own) <
        0)
        node->error = own;
}

static void tell_outcome(struct node *node)
{
    static struct gm_outcome outcome; /* 4 KiB */
    static struct gm_job_report report;
    uint8_t *data;
    size_t bytes;
    if (node->region.base != NULL) {
        outcome.region_bytes = node->region.bytes;
        outcome.region_pages = node->region.pages;
        outcome.executor_count = node->session.executor_count;
        node->crew.ops->report(&node->session, &node->region, &report);
        memcpy(outcome.busy_ns, report.executor_busy_ns, sizeof outcome.busy_ns);
        memcpy(outcome.peak_bytes, report.executor_peak_bytes, sizeof outcome.peak_bytes);
    }
    if (gm_outcome_encode(&outcome, &node->error, &node->counts, &node->plan, &data, &bytes) < 0)
        return;
    gm_mail_send(node->mail, GM_MAIL_OUTCOME, data, bytes, -1);
    free(data);
}

/* Exit 0 when the outcome, whatever it is, was told. */
static _Noreturn void be_node(int mail)
{
    static struct node node; /* large, and one per process */
    uint8_t *data = malloc(GM_MAIL_BYTES_MAX);
    node.mail = mail;
    node.clock = gm_clock_system();
    node.note = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (uint32_t i = 0; i < GM_NODES_MAX; i++)
        node.connections[i] = -1;
    int rc = data == NULL || node.note < 0 ? -ENOMEM : take_setup(&node);
    if (rc == 0)
        rc = start_executors(&node);
    if (rc == 0)
        rc = gm_mail_send(mail, GM_MAIL_READY, NULL, 0, -1);
    if (rc == 0)
        rc = run(&node, data);
    if (rc < 0 && node.crew.ops != NULL)
        prefer_executors_error(&node);
    gm_error_set(&node.error, rc, "the process of the job failed: %s", gm_error_name(rc));
    if (rc == 0)
        node.error.code = 0;
    tell_outcome(&node);
    gm_session_stop(&node.session);
    if (rc < 0 && node.region.base != NULL)
        gm_command_kill_all(&node.plan, &node.region);
    _exit(0); /* the transport's thread may still be at work */
}

/* ---- starting one ---------------------------------------------------------------------------- */

void gm_node_process(void)
{
    const char *text = getenv(GM_NODE_VARIABLE);
    int mail;
    pid_t parent;
    if (text == NULL)
        return;
    if (sscanf(text, "%d:%d", &mail, &parent) != 2 || mail < 3) {
        fprintf(stderr, "gleam: %s is set, but makes no sense; it is for gleam itself\n",
                GM_NODE_VARIABLE);
        _exit(2);
    }
    unsetenv(GM_NODE_VARIABLE);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    prctl(PR_SET_NAME, "gleam-job");
    fcntl(mail, F_SETFD, FD_CLOEXEC);
    if (mail > 3)
        close_range(3, (unsigned)mail - 1, 0);
    close_range((unsigned)mail + 1, ~0U, 0);
    signal(SIGPIPE, SIG_IGN);
    be_node(mail);
}

/* environ with these in front; the caller frees the table. */
static char **make_environment(char *const *variables, size_t count)
{
    size_t inherited = 0, used = 0;
    while (environ[inherited] != NULL)
        inherited++;
    char **table = calloc(count + inherited + 1, sizeof *table);
    GM_CHECK(table != NULL);
    for (size_t i = 0; i < count; i++)
        if (variables[i] != NULL)
            table[used++] = variables[i];
    memcpy(table + used, environ, inherited * sizeof *table);
    return table;
}

int gm_node_spawn(const struct gm_node_program *program, pid_t *ret_pid, int *ret_socket,
                  struct gm_error *error)
{
    int ends[2];
    char variable[64], path[GM_PATH_BYTES_MAX + 32];
    static char title[] = "gleam-job";
    char *arguments[] = {title, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return gm_error_set(error, -errno, "cannot start a job: %s", gm_error_name(-errno));
    snprintf(variable, sizeof variable, GM_NODE_VARIABLE "=%d:%d", ends[1], getpid());
    snprintf(path, sizeof path, "LD_LIBRARY_PATH=%s",
             program->libraries != NULL ? program->libraries : "");
    char *const variables[] = {variable, program->libraries != NULL ? path : NULL};
    char **environment = make_environment(variables, 2);
    /* An agent takes its signals in one place; a job takes them as any program does. */
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    int rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, program->log, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, program->log, 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], ends[1]);
    if (rc == 0)
        rc = posix_spawn(ret_pid, program->path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    close(ends[1]);
    if (rc != 0) {
        close(ends[0]);
        return gm_error_set(error, -rc, "cannot start %s: %s", program->path, gm_error_name(-rc));
    }
    *ret_socket = ends[0];
    return 0;
}
