/* http.c - opens the module with the libraries; addresses and listening sockets need none. */
#include "control/http.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/text.h"

/* Connections that the kernel holds until they are accepted. */
#define BACKLOG 256

static pthread_mutex_t module_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct gm_http_module *module;

/* The folder of the program or library that this is part of.  Not left to the loader's run path:
 * a sanitizer's dlopen is not ours, and looks by its own. */
static bool own_folder(char *ret_folder, size_t folder_bytes)
{
    Dl_info self;
    const bool known = dladdr((void *)(uintptr_t)gm_http_open, &self) != 0;
    const bool library = known && strstr(self.dli_fname, ".so") != NULL;
    char *whole = realpath(library ? self.dli_fname : "/proc/self/exe", NULL);
    char *slash = whole != NULL ? strrchr(whole, '/') : NULL;
    if (slash != NULL)
        *slash = '\0';
    const bool fits = slash != NULL && strlen(whole) < folder_bytes;
    if (fits)
        memcpy(ret_folder, whole, strlen(whole) + 1);
    free(whole);
    return fits;
}

/* Beside the program or library: in the build folder, or installed. */
static void *open_file(void)
{
    static const char *const places[] = {"/control/", "/../control/", "/gleam/",
                                         "/../" GM_MODULE_FOLDER "/"};
    char folder[GM_PATH_BYTES_MAX - 256], path[GM_PATH_BYTES_MAX];
    if (!own_folder(folder, sizeof folder))
        return dlopen(GM_HTTP_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s" GM_HTTP_MODULE_FILE, folder, places[i]);
        if (access(path, R_OK) == 0)
            return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return dlopen(GM_HTTP_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
}

const struct gm_http_module *gm_http_open(struct gm_error *error)
{
    pthread_mutex_lock(&module_lock);
    if (module == NULL) {
        void *handle = open_file();
        const struct gm_http_module *found =
            handle != NULL ? dlsym(handle, GM_HTTP_MODULE_SYMBOL) : NULL;
        if (found == NULL)
            gm_error_set(error, GM_EJOB_OPTION,
                         "cannot open %s, which a cluster needs: %s", GM_HTTP_MODULE_FILE,
                         dlerror());
        else if (strcmp(found->version, GM_VERSION) != 0)
            gm_error_set(error, GM_EJOB_OPTION, "%s is of version %s, this program of %s: install "
                         "both anew", GM_HTTP_MODULE_FILE, found->version, GM_VERSION);
        else
            module = found;
    }
    const struct gm_http_module *opened = module;
    pthread_mutex_unlock(&module_lock);
    return opened;
}

void gm_http_reply_text(struct gm_http_reply *ret_reply, int status, const char *text)
{
    free(ret_reply->body);
    ret_reply->status = status;
    ret_reply->body = (uint8_t *)strdup(text);
    ret_reply->body_bytes = ret_reply->body != NULL ? strlen(text) : 0;
}

int gm_address_parse(const char *option, const char *text, char ret_host[GM_HOST_BYTES_MAX],
                     uint16_t *ret_port, struct gm_error *error)
{
    const char *colon = strrchr(text, ':'), *why = "";
    uint64_t port = 0;
    if (colon == NULL || gm_text_parse_u64(colon + 1, 65535, &port, &why) < 0)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "--%s %s: an address is HOST:PORT, with a port up to 65535", option,
                            text);
    size_t length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        length -= 2;
    }
    if (length >= GM_HOST_BYTES_MAX)
        return gm_error_set(error, GM_EJOB_OPTION, "--%s: a host name has at most 255 bytes",
                            option);
    memcpy(ret_host, text, length);
    ret_host[length] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}

void gm_address_format(const char *host, uint16_t port, char *ret_text, size_t text_bytes)
{
    const bool six = strchr(host, ':') != NULL;
    snprintf(ret_text, text_bytes, "%s%s%s:%u", six ? "[" : "", host, six ? "]" : "", port);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static int listen_at(const struct addrinfo *place, uint16_t *ret_port)
{
    struct sockaddr_storage bound;
    socklen_t bound_bytes = sizeof bound;
    const int yes = 1, no = 0;
    const int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (place->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, place->ai_addr, place->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) < 0) {
        const int rc = -errno;
        close(fd);
        return rc;
    }
    *ret_port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                                 : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return fd;
}

int gm_address_listen(const char *host, uint16_t port, bool has_key, uint16_t *ret_port,
                      const char **ret_why, struct gm_error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *places;
    char service[8];
    *ret_why = NULL;
    if (host[0] == '\0' && !has_key) {
        host = "127.0.0.1";
        *ret_why = "there is no key, so it is for this machine alone: for others, give it --key "
                   "FILE, made by gleam keygen";
    }
    snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, service, &hints, &places);
    if (rc != 0)
        return gm_error_set(error, GM_EJOB_OPTION, "cannot listen at %s:%u: %s", host, port,
                            gai_strerror(rc));
    if (!has_key && !is_loopback(places->ai_addr)) {
        freeaddrinfo(places);
        return gm_error_set(error, GM_EJOB_OPTION,
                            "cannot listen at %s:%u without a key: anybody there could run "
                            "programs here; give it --key FILE, made by gleam keygen, or listen "
                            "at 127.0.0.1",
                            host, port);
    }
    /* Without a name, :: takes both families; where there is no IPv6, 0.0.0.0 is the other. */
    rc = -EADDRNOTAVAIL;
    for (int family = AF_INET6; rc < 0 && family >= 0;
         family = family == AF_INET6 ? AF_INET : -1)
        for (const struct addrinfo *place = places; place != NULL && rc < 0;
             place = place->ai_next)
            if (place->ai_family == family)
                rc = listen_at(place, ret_port);
    freeaddrinfo(places);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot listen at %s:%u: %s", host, port,
                            gm_error_name(rc));
    return rc;
}
