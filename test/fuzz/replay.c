/* Runs a harness over the files of a folder, for builds without libFuzzer: replay FOLDER. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

/* From memory of exactly the file's size, so that a sanitizer sees the first byte read beyond it. */
static int replay_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        perror(path);
        return 1;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t n = data && size > 0 ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    if (data && n == (size_t)size) {
        LLVMFuzzerTestOneInput(data, n);
    }
    free(data);
    return n == (size_t)size ? 0 : 1;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: replay FOLDER\n");
        return 2;
    }
    int count = 0, failed = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
            failed += replay_file(path);
            count++;
        }
    }
    closedir(dir);
    printf("%d inputs\n", count);
    return count > 0 && failed == 0 ? 0 : 1;
}
