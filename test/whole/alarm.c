/* Makes the mistake named by its argument, so that a sanitizer build can prove that it would notice. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *count(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        shared++;
    }
    return arg;
}

static int race(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, count, NULL);
    count(NULL);
    pthread_join(thread, NULL);
    return shared;
}

static int beyond(int n)
{
    volatile int at = n;
    char *bytes = calloc(1, (size_t)n);
    int value = (unsigned char)bytes[at];
    free(bytes);
    return value;
}

static int overflow(int n)
{
    volatile int most = INT_MAX;
    return most + n;
}

static int leak(int n)
{
    void *volatile bytes = malloc((size_t)n);
    memset(bytes, n, (size_t)n);
    bytes = NULL;
    return bytes == NULL; /* NOLINT(clang-analyzer-unix.Malloc): the leak is the point */
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int value = strcmp(what, "race") == 0       ? race()
                : strcmp(what, "beyond") == 0   ? beyond(argc)
                : strcmp(what, "overflow") == 0 ? overflow(argc)
                                                : leak(100 + argc);
    printf("%s: %d\n", what, value);
    return 0;
}
