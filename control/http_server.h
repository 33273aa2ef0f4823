/* http_server.h - the module's server (control/http.h says what it does). */
#ifndef GM_CONTROL_HTTP_SERVER_H
#define GM_CONTROL_HTTP_SERVER_H

#include "control/http.h"

int gm_http_server_start(const struct gm_http_server_spec *spec,
                         struct gm_http_server **ret_server, struct gm_error *error);
struct gm_http_counts *gm_http_server_counts(struct gm_http_server *server);
void gm_http_server_stop(struct gm_http_server *server);

#endif
