/* fuzz_control.c - what anybody may send to the ports of a master or an agent, behind the HTTP:
 * texts of JSON, a header that proves the key, and the order of a job.
 *
 * The first byte says which.  Of it and an odd second byte, the rest are changes, of position and
 * value, to a good one; else it is the whole.  What a reader of jobs accepts is written and read
 * again the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/node/order.h"
#include "control/auth.h"
#include "control/message.h"
#include "engine/base/check.h"
#include "tests/fuzz/target.h"

#define NOW 1800000000

static const char good_job[] =
    "{\"id\":\"1f\",\"name\":\"n\",\"user\":\"u\",\"driver\":\"d\",\"state\":\"running\","
    "\"queue_position\":1,\"wanted_executors_count\":2,\"wanted_memory_bytes\":3,"
    "\"submitted_unix_s\":4,\"started_unix_s\":5,\"ended_unix_s\":6,\"read_bytes\":7,"
    "\"input_bytes\":8,\"error\":\"\",\"nodes\":[{\"host\":\"h\",\"port\":1,"
    "\"executors_count\":2,\"memory_bytes\":3}]}";

static void read_job(const uint8_t *data, size_t bytes)
{
    struct gm_job_info job, again;
    struct gm_error error = {0};
    if (gm_message_job_read(data, bytes, &job, &error) < 0) {
        GM_CHECK(error.code == GM_EPEER_PROTOCOL);
        return;
    }
    char *text = gm_message_job_write(&job);
    GM_CHECK(text != NULL);
    GM_CHECK(gm_message_job_read(text, strlen(text), &again, &error) == 0);
    GM_CHECK(again.id == job.id && again.state == job.state &&
             again.grant_count == job.grant_count && strcmp(again.name, job.name) == 0);
    gm_job_info_fini(&again);
    gm_job_info_fini(&job);
    free(text);
}

static void read_start(const uint8_t *data, size_t bytes)
{
    struct gm_start start;
    struct gm_error error = {0};
    if (gm_message_start_read(data, bytes, &start, &error) < 0)
        return;
    for (uint32_t i = 0; i < start.artifact_count; i++)
        GM_CHECK(strchr(start.artifacts[i].name, '/') == NULL);
    gm_job_info_fini(&start.job);
}

static void read_agent(const uint8_t *data, size_t bytes)
{
    static struct gm_agent_info agent;
    static struct gm_beat_reply reply;
    char text[64];
    struct gm_error error = {0}, other = {0};
    if (gm_message_agent_read(data, bytes, &agent, &error) == 0)
        GM_CHECK(agent.core_count > 0 && agent.job_count <= GM_AGENT_JOBS_MAX);
    gm_message_beat_reply_read(data, bytes, &reply, &other);
    gm_message_error_read(data, bytes, text, sizeof text);
    GM_CHECK(memchr(text, '\0', sizeof text) != NULL);
}

/* Nobody gets in by chance. */
static void check_header(const uint8_t *data, size_t bytes)
{
    static const struct gm_key key = {.present = true, .bytes = "a key of a test"};
    struct gm_auth auth;
    struct gm_nonces *nonces = gm_nonces_create(2 * GM_AUTH_WINDOW_S);
    char *text = strndup((const char *)data, bytes);
    GM_CHECK(nonces != NULL && text != NULL);
    GM_CHECK(gm_auth_check(&key, text, "GET", "/", NOW, nonces, &auth) != GM_AUTH_GOOD);
    gm_nonces_destroy(nonces);
    free(text);
}

static void read_order(const uint8_t *data, size_t bytes)
{
    static struct gm_order order;
    struct gm_error error = {0};
    if (gm_order_decode(data, bytes, &order, &error) < 0)
        return;
    GM_CHECK(order.node_count >= 2 && gm_order_executor_count(&order) <= GM_EXECUTORS_MAX);
    uint8_t *again;
    size_t again_bytes;
    GM_CHECK(gm_order_encode(&order, &again, &again_bytes) == 0);
    GM_CHECK(again_bytes == bytes && memcmp(again, data, bytes) == 0);
    free(again);
}

static void make_order(uint8_t **ret_data, size_t *ret_bytes)
{
    static struct gm_order order = {.frame_bytes = 4096, .node_count = 2, .directory = "/",
                                    .nodes = {{"a:1", 2}, {"the driver", 0}},
                                    .plan = (const uint8_t *)"p", .plan_bytes = 1};
    GM_CHECK(gm_order_encode(&order, ret_data, ret_bytes) == 0);
}

/* The caller frees it. */
static void make_good(int which, uint8_t **ret_data, size_t *ret_bytes)
{
    char *text = NULL;
    int length = -1;
    if (which == 4) {
        make_order(ret_data, ret_bytes);
        return;
    }
    if (which == 0)
        length = asprintf(&text, "%s", good_job);
    else if (which == 1)
        length = asprintf(&text,
                          "{\"job\":%s,\"node\":0,\"attempt\":1,\"nonce\":\"%064d\",\"artifacts\":"
                          "[{\"name\":\"g\",\"sha256\":\"%064d\"}]}",
                          good_job, 0, 0);
    else if (which == 2)
        length = asprintf(&text,
                          "{\"host\":\"h\",\"port\":1,\"cores_count\":2,\"memory_bytes\":3,"
                          "\"hugepages_bytes\":4,\"net\":\"tcp\",\"data_center\":\"\","
                          "\"rack\":\"\",\"version\":\"1\",\"jobs\":[\"1f\"],"
                          "\"kill\":[\"1f\"],\"lost\":false,\"silent_ms\":5,\"error\":\"e\"}");
    else
        length = asprintf(&text, "Gleam %d:%032d:%064d:%064d", NOW, 1, 2, 3);
    GM_CHECK(length > 0);
    *ret_data = (uint8_t *)text;
    *ret_bytes = (size_t)length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static void (*const readers[])(const uint8_t *, size_t) = {read_job, read_start, read_agent,
                                                               check_header, read_order};
    if (bytes < 2)
        return 0;
    const int which = data[0] % 5;
    if ((data[1] & 1) == 0) {
        readers[which](data + 2, bytes - 2);
        return 0;
    }
    uint8_t *good;
    size_t good_bytes;
    make_good(which, &good, &good_bytes);
    readers[which](good, good_bytes);
    for (size_t i = 2; i + 3 <= bytes && i < 32; i += 3) {
        good[(data[i] | (size_t)data[i + 1] << 8) % good_bytes] = data[i + 2];
        readers[which](good, good_bytes);
    }
    free(good);
    return 0;
}
