/* The machine is out of memory at any moment of reading a payload: the process ends (mem.h), or the whole document is
 * read, or the fault is ours. It is never the sender's, who would not send the message again, and nothing is left out.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "payload/envelope.h"
#include "payload/payload.h"
#include "unit.h"

/* glibc's own, below the names that the program and its libraries call */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);

static long calls, fail_at; /* fail_at 0: never */

static int fails(void)
{
    return ++calls == fail_at;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return fails() ? NULL : __libc_realloc(old, n);
}

static const char DATA[] =
    "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"914201007MA000001X\" deviceId=\"0f\""
    " uploadDate=\"2026-11-20 10:16:02\">\n"
    "<data dataCode=\"0000000002330011\" statType=\"0\" statDate=\"2026-11-20 10:00:00\" dataValue=\"1\" "
    "inputType=\"4\" "
    "scope=\"1\"/>\n"
    "<data dataCode=\"0000000002330011\" statType=\"0\" statDate=\"2026-11-20 10:15:00\" dataValue=\"2\" "
    "inputType=\"4\" "
    "scope=\"1\"/>\n</energyData>";

static struct buf packed;

static struct result read_data(size_t *records)
{
    struct arena *arena = arena_new(0);
    struct findings findings;
    struct energy_data_set set = {0};
    struct buf plain = BUF_INIT;
    findings_init(&findings, arena);
    struct result r = envelope_gunzip(packed.data, packed.len, 100000, &plain);
    if (result_ok(r)) {
        r = payload_read_data(plain.data, plain.len, PAYLOAD_ENERGY_DATA, &PAYLOAD_LIMITS_DEFAULT, arena, &findings,
                              &set);
    }
    *records = set.records;
    return r;
}

/* In a process of its own: how it ended. 0: whole; 1: our fault; 2: not whole; 3: the sender's fault; 4: n was not
 * reached */
static int attempt(long n)
{
    size_t records = 0;
    close(STDERR_FILENO); /* the last words of mem.h, hundreds of times */
    calls = 0;
    fail_at = n;
    struct result r = read_data(&records);
    fail_at = 0;
    if (calls < n) {
        return 4;
    }
    if (result_ok(r)) {
        return records == 2 ? 0 : 2;
    }
    return r.kind == ERR_TRANSIENT || r.kind == ERR_INTERNAL ? 1 : 3;
}

START_TEST(memory_that_ends_anywhere_is_never_the_senders_fault)
{
    payload_init();
    ck_assert(result_ok(envelope_gzip(DATA, sizeof DATA - 1, &packed)));
    bool reached = true;
    for (long n = 1; reached; n++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            _exit(attempt(n));
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) || WTERMSIG(status) == SIGABRT, "allocation %ld: signal %d", n,
                      WTERMSIG(status));
        int seen = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        ck_assert_msg(seen == 0 || seen == 1 || seen == 4, "allocation %ld: %d", n, seen);
        reached = seen != 4;
    }
    buf_free(&packed);
}
END_TEST

UNIT_MAIN("nomem", memory_that_ends_anywhere_is_never_the_senders_fault)
