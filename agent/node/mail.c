/* mail.c - sendmsg and recvmsg with a descriptor. */
#include "agent/node/mail.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union ancillary {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int gm_mail_send(int socket, enum gm_mail kind, const void *data, size_t bytes, int fd)
{
    uint32_t head = kind;
    struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                            {.iov_base = (void *)data, .iov_len = bytes}};
    union ancillary ancillary = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = bytes > 0 ? 2 : 1};
    if (fd >= 0) {
        message.msg_control = &ancillary;
        message.msg_controllen = sizeof ancillary;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int gm_mail_receive(int socket, int flags, void *data, size_t *ret_bytes, int *ret_fd)
{
    uint32_t head = 0;
    struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                            {.iov_base = data, .iov_len = GM_MAIL_BYTES_MAX}};
    union ancillary ancillary = {0};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &ancillary,
                             .msg_controllen = sizeof ancillary};
    ssize_t got;
    do
        got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    *ret_fd = -1;
    *ret_bytes = 0;
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return GM_EPEER_DIED;
    if (got < 0)
        return errno == EAGAIN ? 0 : -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    if ((size_t)got < sizeof head || head == 0 || head > GM_MAIL_OUTCOME ||
        (message.msg_flags & MSG_TRUNC) != 0) {
        if (*ret_fd >= 0)
            close(*ret_fd);
        *ret_fd = -1;
        return GM_EPEER_PROTOCOL;
    }
    *ret_bytes = (size_t)got - sizeof head;
    return (int)head;
}
