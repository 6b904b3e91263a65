/* bench_bare FILE TIMES: CPU of libxml2's push parser alone over a payload, with handlers that do nothing: the least
 * that reading it can cost. Prints microseconds of CPU per reading. */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"

static long readings;

static void on_element(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int spaces,
                       const xmlChar **space, int count, int defaulted, const xmlChar **attributes)
{
    (void)ctx, (void)prefix, (void)uri, (void)spaces, (void)space, (void)count, (void)defaulted, (void)attributes;
    readings += strcmp((const char *)name, "data") == 0;
}

static int parse(const char *text, int n)
{
    xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC, .startElementNs = on_element};
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&handler, NULL, NULL, 0, NULL);
    int error = parser ? xmlParseChunk(parser, text, n, 1) : -1;
    xmlFreeParserCtxt(parser);
    return error;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static char *read_all(const char *path, long *n)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0 || (*n = ftell(f)) <= 0 || fseek(f, 0, SEEK_SET) != 0) {
        perror(path);
        exit(1);
    }
    char *text = mem_alloc((size_t)*n);
    if (fread(text, 1, (size_t)*n, f) != (size_t)*n) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    long n, times = argc == 3 ? atol(argv[2]) : 0;
    if (times < 1) {
        fprintf(stderr, "usage: bench_bare FILE TIMES\n");
        return 2;
    }
    char *text = read_all(argv[1], &n);
    xmlInitParser();
    double before = cpu_us();
    for (long i = 0; i < times; i++) {
        if (parse(text, (int)n) != 0) {
            fprintf(stderr, "bench_bare: %s is not well-formed\n", argv[1]);
            return 1;
        }
    }
    printf("%.4f\n", (cpu_us() - before) / (double)readings);
    mem_free(text);
    xmlCleanupParser();
    return 0;
}
