/* control.c - sendmsg and recvmsg, and the outcome's encoding. */
#include "agent/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/cursor.h"

#define JOB_MAGIC UINT32_C(0x314a4d47)     /* "GMJ1" */
#define OUTCOME_MAGIC UINT32_C(0x314f4d47) /* "GMO1" */
#define JOB_DESCRIPTORS 2

struct job_packet {
    uint32_t magic;
    uint32_t reserved;
    struct gm_job_message job;
};

int gm_control_send_job(int socket, const struct gm_job_message *job, int region_fd, int plan_fd)
{
    struct job_packet packet = {.magic = JOB_MAGIC, .job = *job};
    struct iovec part = {.iov_base = &packet, .iov_len = sizeof packet};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(JOB_DESCRIPTORS * sizeof(int))];
    } ancillary = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(JOB_DESCRIPTORS * sizeof(int));
    const int descriptors[JOB_DESCRIPTORS] = {region_fd, plan_fd};
    memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The kernel has already made descriptors of this process of whatever came with a packet. */
static void close_received(struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
}

int gm_control_receive_job(int socket, struct gm_job_message *ret_job, int *ret_region_fd,
                           int *ret_plan_fd)
{
    struct job_packet packet;
    struct iovec part = {.iov_base = &packet, .iov_len = sizeof packet};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(JOB_DESCRIPTORS * sizeof(int))];
    } ancillary;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    ssize_t received;
    do
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received == 0)
        return GM_END;
    if (received < 0)
        return -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (received != sizeof packet || packet.magic != JOB_MAGIC || header == NULL ||
        header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(JOB_DESCRIPTORS * sizeof(int))) {
        close_received(&message);
        return GM_EPEER_PROTOCOL;
    }
    int descriptors[JOB_DESCRIPTORS];
    memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
    *ret_job = packet.job;
    *ret_region_fd = descriptors[0];
    *ret_plan_fd = descriptors[1];
    return 0;
}

static void write_counts(struct gm_writer *writer, const struct gm_executor_counts *counts,
                         const struct gm_plan *plan)
{
    gm_writer_i64(writer, counts->disk_refusal);
    gm_writer_u64(writer, counts->busy_ns);
    gm_writer_u64(writer, counts->heap_peak_bytes);
    gm_writer_u32(writer, counts->counters.count);
    for (uint32_t i = 0; i < counts->counters.count; i++) {
        gm_writer_string(writer, counts->counters.entries[i].name);
        gm_writer_i64(writer, counts->counters.entries[i].value);
    }
    gm_writer_u64(writer, counts->spilled_bytes);
    gm_writer_u64(writer, counts->spilled_payload_bytes);
    gm_writer_u64(writer, counts->spill_buffered_count);
    gm_writer_u64(writer, counts->cached_memory_bytes);
    gm_writer_u64(writer, counts->cached_disk_bytes);
    gm_writer_u64(writer, counts->commands.commands_count);
    gm_writer_u64(writer, counts->commands.written_bytes);
    gm_writer_u64(writer, counts->commands.read_bytes);
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct gm_chain_counts *chain = &counts->chains[i];
        gm_writer_u64(writer, chain->source_rows);
        gm_writer_u64(writer, chain->source_words);
        gm_writer_u64(writer, chain->source_bytes);
        gm_writer_u64(writer, chain->bad_rows);
        for (uint32_t s = 0; s < plan->chains[i].step_count; s++) {
            gm_writer_u64(writer, chain->step_rows[s]);
            gm_writer_u64(writer, chain->step_spilled_bytes[s]);
        }
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        gm_writer_u64(writer, counts->exchanges[i].rows_count);
        gm_writer_u64(writer, counts->exchanges[i].payload_bytes);
        gm_writer_u64(writer, counts->exchanges[i].frames_count);
        gm_writer_u64(writer, counts->exchange_spilled_bytes[i]);
    }
    gm_analysis_write(&counts->analysis, writer);
}

static void read_counts(struct gm_cursor *cursor, const struct gm_plan *plan,
                        struct gm_executor_counts *counts)
{
    const int refusal = (int)gm_cursor_i64(cursor);
    counts->disk_refusal = refusal != 0 ? refusal : counts->disk_refusal;
    counts->busy_ns += gm_cursor_u64(cursor);
    counts->heap_peak_bytes += gm_cursor_u64(cursor);
    const uint32_t counter_count = gm_cursor_count(cursor, GM_COUNTERS_MAX, 12);
    for (uint32_t i = 0; i < counter_count && !cursor->failed; i++) {
        char name[GM_COUNTER_NAME_BYTES_MAX];
        gm_cursor_string(cursor, name, sizeof name);
        const int64_t value = gm_cursor_i64(cursor);
        if (gm_counters_add(&counts->counters, name, strlen(name), value) < 0)
            counts->counters_lost = true;
    }
    counts->spilled_bytes += gm_cursor_u64(cursor);
    counts->spilled_payload_bytes += gm_cursor_u64(cursor);
    counts->spill_buffered_count += gm_cursor_u64(cursor);
    counts->cached_memory_bytes += gm_cursor_u64(cursor);
    counts->cached_disk_bytes += gm_cursor_u64(cursor);
    counts->commands.commands_count += gm_cursor_u64(cursor);
    counts->commands.written_bytes += gm_cursor_u64(cursor);
    counts->commands.read_bytes += gm_cursor_u64(cursor);
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        struct gm_chain_counts *chain = &counts->chains[i];
        chain->source_rows += gm_cursor_u64(cursor);
        chain->source_words += gm_cursor_u64(cursor);
        chain->source_bytes += gm_cursor_u64(cursor);
        chain->bad_rows += gm_cursor_u64(cursor);
        for (uint32_t s = 0; s < plan->chains[i].step_count; s++) {
            chain->step_rows[s] += gm_cursor_u64(cursor);
            chain->step_spilled_bytes[s] += gm_cursor_u64(cursor);
        }
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        counts->exchanges[i].rows_count += gm_cursor_u64(cursor);
        counts->exchanges[i].payload_bytes += gm_cursor_u64(cursor);
        counts->exchanges[i].frames_count += gm_cursor_u64(cursor);
        counts->exchange_spilled_bytes[i] += gm_cursor_u64(cursor);
    }
    gm_analysis_read(&counts->analysis, cursor);
}

int gm_control_encode_outcome(const struct gm_error *error, const struct gm_executor_counts *counts,
                              const struct gm_plan *plan, uint8_t **ret_data, size_t *ret_bytes)
{
    struct gm_writer writer;
    gm_writer_init(&writer, GM_CONTROL_BYTES_MAX);
    gm_writer_u32(&writer, OUTCOME_MAGIC);
    gm_writer_i64(&writer, error->code);
    gm_writer_string(&writer, error->code != 0 ? error->text : "");
    if (error->code == 0)
        write_counts(&writer, counts, plan);
    const int rc = gm_writer_take(&writer, ret_data, ret_bytes);
    gm_writer_fini(&writer);
    return rc;
}

int gm_control_decode_outcome(const void *data, size_t bytes, const struct gm_plan *plan,
                              struct gm_error *ret_error, struct gm_executor_counts *counts)
{
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, bytes);
    const uint32_t magic = gm_cursor_u32(&cursor);
    ret_error->code = (int)gm_cursor_i64(&cursor);
    gm_cursor_string(&cursor, ret_error->text, sizeof ret_error->text);
    if (ret_error->code == 0)
        read_counts(&cursor, plan, counts);
    return magic == OUTCOME_MAGIC && gm_cursor_done(&cursor) ? 0 : GM_EPEER_PROTOCOL;
}

int gm_control_send_outcome(int socket, const struct gm_error *error,
                            const struct gm_executor_counts *counts, const struct gm_plan *plan)
{
    uint8_t *data;
    size_t bytes;
    int rc = gm_control_encode_outcome(error, counts, plan, &data, &bytes);
    if (rc == 0) {
        rc = send(socket, data, bytes, MSG_NOSIGNAL) < 0 ? -errno : 0;
        free(data);
    }
    return rc;
}

int gm_control_receive_outcome(int socket, const struct gm_plan *plan, struct gm_error *ret_error,
                               struct gm_executor_counts *counts)
{
    uint8_t *data = malloc(GM_CONTROL_BYTES_MAX);
    if (data == NULL)
        return -ENOMEM;
    const ssize_t received = recv(socket, data, GM_CONTROL_BYTES_MAX, MSG_DONTWAIT);
    int rc = 0;
    if (received == 0 || (received < 0 && errno == ECONNRESET))
        rc = GM_END;
    else if (received < 0)
        rc = errno == EAGAIN || errno == EINTR ? GM_AGAIN : -errno;
    if (rc == 0)
        rc = gm_control_decode_outcome(data, (size_t)received, plan, ret_error, counts);
    free(data);
    return rc;
}
