/* http_client.h - the module's client (control/http.h says what it does). */
#ifndef GM_CONTROL_HTTP_CLIENT_H
#define GM_CONTROL_HTTP_CLIENT_H

#include "control/http.h"

struct gm_http_client *gm_http_client_create(const char *address, const struct gm_key *key);
int gm_http_client_call(struct gm_http_client *client, const char *method, const char *target,
                        const void *body, size_t body_bytes, uint64_t timeout_ms,
                        uint64_t body_bytes_max, struct gm_http_reply *ret_reply,
                        struct gm_error *error);
void gm_http_client_interrupt(struct gm_http_client *client);
void gm_http_client_destroy(struct gm_http_client *client);

#endif
