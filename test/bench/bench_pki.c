/* bench_pki CA_DIR OUT_DIR: a certificate for every enterprise code on standard input, a line each: what `nhjcctl pki
 * issue` does, without a process, a database connection and an audit row for each of seventeen thousand devices, and
 * without waiting for the disk: of nine milliseconds a certificate takes, seven are for flushing its files. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "cli/pki.h"

/* Stands before the C library's. What a benchmark made a moment before it uses it may be lost with the machine. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int main(int argc, char **argv)
{
    char line[64];
    struct pki_issued issued;
    if (argc != 3) {
        fprintf(stderr, "usage: bench_pki CA_DIR OUT_DIR\n");
        return 2;
    }
    struct pki_request request = {.kind = PKI_ENTERPRISE,
                                  .code = line,
                                  .not_before = clock_now() - 3600 * USEC_PER_SEC,
                                  .not_after = clock_now() + 86400 * USEC_PER_SEC,
                                  .out_dir = argv[2]};
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        struct result r = pki_issue(argv[1], &request, &issued);
        if (!result_ok(r)) {
            fprintf(stderr, "bench_pki: %s: %s\n", line, r.text);
            return 1;
        }
    }
    return 0;
}
