/* http_module.c - the table of gleam-control.so. */
#include "control/http.h"

#include "control/auth.h"
#include "control/http_client.h"
#include "control/http_server.h"

extern const struct gm_http_module gm_http_module;

__attribute__((visibility("default"))) const struct gm_http_module gm_http_module = {
    .version = GM_VERSION,
    .server_start = gm_http_server_start,
    .server_counts = gm_http_server_counts,
    .server_stop = gm_http_server_stop,
    .client_create = gm_http_client_create,
    .client_call = gm_http_client_call,
    .client_interrupt = gm_http_client_interrupt,
    .client_destroy = gm_http_client_destroy,
    .hash = gm_auth_hash,
    .mac = gm_auth_mac,
    .equal = gm_auth_equal,
};
