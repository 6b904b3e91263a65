#include "net/tls_pipe.h"

#include <pthread.h>
#include <string.h>

static BIO_METHOD *pipe_method;
static pthread_once_t pipe_once = PTHREAD_ONCE_INIT;

static int pipe_read(BIO *bio, char *to, int n)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (n <= 0) {
        return 0;
    }
    if (pipe->in_len == 0) {
        if (pipe->in_end) {
            return 0;
        }
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t take = (size_t)n < pipe->in_len ? (size_t)n : pipe->in_len;
    memcpy(to, pipe->in, take);
    pipe->in += take;
    pipe->in_len -= take;
    return (int)take;
}

static int pipe_write(BIO *bio, const char *from, int n)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (n > 0 && pipe->out) {
        buf_append(pipe->out, from, (size_t)n);
    }
    return n;
}

static long pipe_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    struct tls_pipe *pipe = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF) {
        return pipe->in_end && pipe->in_len == 0;
    }
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static void make_method(void)
{
    pipe_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls_pipe");
    BIO_meth_set_read(pipe_method, pipe_read);
    BIO_meth_set_write(pipe_method, pipe_write);
    BIO_meth_set_ctrl(pipe_method, pipe_ctrl);
}

BIO *tls_pipe_bio(struct tls_pipe *pipe)
{
    pthread_once(&pipe_once, make_method);
    BIO *bio = BIO_new(pipe_method);
    BIO_set_data(bio, pipe);
    BIO_set_init(bio, 1);
    return bio;
}
