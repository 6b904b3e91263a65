#include "cli/pki_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define INDEX_FILE "issued"

static RESULT file_error(const char *what, const char *path)
{
    return result_error(ERR_INTERNAL, 0, "%s / cannot use file %s: %s", what, path, strerror(errno));
}

void pki_store_path(char out[PKI_PATH], const char *dir, const char *name, const char *suffix)
{
    snprintf(out, PKI_PATH, "%s/%s%s", dir, name, suffix);
}

bool pki_store_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

RESULT pki_store_lock(const char *dir, int *fd)
{
    if (strlen(dir) + 208 > PKI_PATH) {
        return result_error(ERR_SENDER, 0, "路径过长 / path too long: %s", dir);
    }
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        return file_error("不能建立目录", dir);
    }
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 || flock(*fd, LOCK_EX) != 0) {
        struct result r = file_error("不能锁定目录", dir);
        pki_store_unlock(fd);
        return r;
    }
    return RESULT_OK;
}

void pki_store_unlock(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return fsync(fd) == 0;
}

RESULT pki_store_write(const char *path, const void *bytes, size_t n, mode_t mode)
{
    char *beside = mem_printf("%s.%ld.new", path, (long)getpid());
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok = fd >= 0 && write_all(fd, bytes, n);
    ok = (fd < 0 || close(fd) == 0) && ok;
    ok = ok && rename(beside, path) == 0;
    struct result r = ok ? RESULT_OK : file_error("不能写文件", path);
    if (!ok) {
        unlink(beside);
    }
    mem_free(beside);
    return r;
}

static void print_entry(struct buf *out, const struct pki_entry *e)
{
    buf_printf(out, "%s %s %s %lld %s %lld%s%s\n", e->kind, e->identity, e->serial, (long long)e->not_after,
               e->fingerprint, (long long)e->revoked_at, *e->device ? " " : "", e->device);
}

static bool parse_entry(const char *line, struct pki_entry *e)
{
    long long not_after, revoked_at;
    memset(e, 0, sizeof *e);
    if (sscanf(line, "%15s %127s %40s %lld %64s %lld %64s", e->kind, e->identity, e->serial, &not_after, e->fingerprint,
               &revoked_at, e->device) < 6) {
        return false;
    }
    e->not_after = not_after;
    e->revoked_at = revoked_at;
    return true;
}

static struct pki_entry *add(struct pki_index *index)
{
    if (index->count == index->cap) {
        index->cap = index->cap ? index->cap * 2 : 64;
        index->at = mem_grow(index->at, index->cap * sizeof *index->at);
    }
    return &index->at[index->count++];
}

static RESULT read_lines(FILE *f, const char *path, struct pki_index *index)
{
    char line[512];
    for (int number = 1; fgets(line, sizeof line, f); number++) {
        if (line[0] != '\n' && !parse_entry(line, add(index))) {
            return result_error(ERR_INTERNAL, 0, "索引损坏 / damaged index: %s:%d", path, number);
        }
    }
    return ferror(f) ? file_error("不能读文件", path) : RESULT_OK;
}

RESULT pki_index_load(const char *dir, struct pki_index *index)
{
    char path[PKI_PATH];
    *index = (struct pki_index){0};
    pki_store_path(path, dir, INDEX_FILE, "");
    FILE *f = fopen(path, "re");
    if (!f) {
        return errno == ENOENT ? RESULT_OK : file_error("不能读文件", path);
    }
    struct result r = read_lines(f, path, index);
    fclose(f);
    if (!result_ok(r)) {
        pki_index_free(index);
    }
    return r;
}

RESULT pki_index_append(const char *dir, const struct pki_entry *entry)
{
    char path[PKI_PATH];
    pki_store_path(path, dir, INDEX_FILE, "");
    struct buf line = BUF_INIT;
    print_entry(&line, entry);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write_all(fd, buf_str(&line), line.len);
    ok = (fd < 0 || close(fd) == 0) && ok;
    buf_free(&line);
    return ok ? RESULT_OK : file_error("不能写文件", path);
}

RESULT pki_index_save(const char *dir, const struct pki_index *index)
{
    char path[PKI_PATH];
    pki_store_path(path, dir, INDEX_FILE, "");
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < index->count; i++) {
        print_entry(&text, &index->at[i]);
    }
    struct result r = pki_store_write(path, buf_str(&text), text.len, 0644);
    buf_free(&text);
    return r;
}

void pki_index_free(struct pki_index *index)
{
    mem_free(index->at);
    *index = (struct pki_index){0};
}
