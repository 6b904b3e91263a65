#include "import/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "payload/archive.h"

enum { FILE_MAX = 256 * 1024 * 1024 };

static struct metric FAILED = METRIC(METRIC_COUNTER, "nhjc_import_failures_total", NULL,
                                     "Looks at a file of the spool that could not be read or moved");

struct walk {
    const struct import_config *config;
    struct import_total *total;
    struct arena *arena;
    struct buf report;
    bool again, refused;
};

/* ---- the report beside the file ---- */

static void report_finding(struct buf *out, const struct finding *f)
{
    buf_printf(out, "  %d %s", f->code, finding_severity_words(f->severity));
    if (f->line > 0)
        buf_printf(out, " 行 line %lld", (long long)f->line);
    if (f->data_code)
        buf_printf(out, " %s", f->data_code);
    if (f->stat_date)
        buf_printf(out, " %s", f->stat_date);
    buf_printf(out, "  %s\n", f->message);
}

static void report_answer(struct walk *w, const char *name, const struct upload_answer *a)
{
    struct buf *out = &w->report;
    if (*name)
        buf_printf(out, "%s\n", name);
    buf_printf(out, "代码 code %d  %s\n", a->code, a->message);
    if (*a->upload_id)
        buf_printf(out,
                   "上传 upload %s%s  收 received %d 存 stored %d 未变 unchanged %d 更正 corrected %d 可疑 suspect %d "
                   "拒绝 rejected %d\n",
                   a->upload_id, a->duplicate ? " (重复 duplicate)" : "", a->received, a->stored, a->unchanged,
                   a->corrected, a->suspect, a->rejected);
    for (size_t i = 0; i < a->findings.count; i++)
        report_finding(out, &a->findings.at[i]);
    if (a->findings_truncated)
        buf_append_str(out, "  …\n");
}

/* ---- one document ---- */

static void add_up(struct import_total *t, const struct upload_answer *a)
{
    if (a->duplicate)
        return;
    t->received += a->received;
    t->stored += a->stored;
    t->unchanged += a->unchanged;
    t->corrected += a->corrected;
    t->suspect += a->suspect;
    t->rejected += a->rejected;
}

static RESULT digest_hex(const void *document, size_t len, char hex[65])
{
    unsigned char digest[32];
    TRY(envelope_digest(DIGEST_SHA_256, document, len, digest));
    hex_encode(digest, sizeof digest, hex);
    return RESULT_OK;
}

static struct result import_document(const char *name, const void *document, size_t len, void *arg)
{
    struct walk *w = arg;
    char hex[65], id[64];
    arena_reset(w->arena);
    TRY(digest_hex(document, len, hex));
    snprintf(id, sizeof id, "file-%.56s", hex);
    struct upload_request request = {.via = VIA_FILE,
                                     .sender_code = "file",
                                     .message_id = id,
                                     .content_encoding = "identity",
                                     .encryption = "none",
                                     .digest_method = "SHA-256",
                                     .digest = hex,
                                     .content = document,
                                     .content_len = len,
                                     .peer = "file"};
    struct upload_answer answer;
    ingest_upload(w->config->ingest, &request, w->arena, &answer);
    report_answer(w, name, &answer);
    w->total->documents++;
    w->again |= answer.code >= 9000;
    bool refused = answer.code != 0 && answer.code != 2;
    w->refused |= refused;
    w->total->refused += refused;
    add_up(w->total, &answer);
    return RESULT_OK;
}

/* ---- one file ---- */

static RESULT read_whole(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return result_error(ERR_NOT_FOUND, 0, "%s 无法打开 / cannot be opened: %s", path, strerror(errno));
    ssize_t got = 0;
    do {
        buf_reserve(out, 1 << 20);
        got = read(fd, out->data + out->len, 1 << 20);
        out->len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && out->len <= FILE_MAX);
    close(fd);
    if (got < 0)
        return result_error(ERR_TRANSIENT, 0, "%s 无法读取 / cannot be read: %s", path, strerror(errno));
    return out->len > FILE_MAX ? result_error(ERR_LIMIT, 2106, "%s 大于 256 MB / is larger than 256 MB", path)
                               : RESULT_OK;
}

static RESULT write_report(const char *path, const struct buf *report)
{
    char *name = mem_printf("%s.result.txt", path);
    FILE *f = fopen(name, "we");
    bool good = f && fwrite(buf_str(report), 1, report->len, f) == report->len;
    good = f && fclose(f) == 0 && good;
    struct result r =
        good ? RESULT_OK : result_error(ERR_INTERNAL, 0, "%s 无法写入 / cannot be written: %s", name, strerror(errno));
    mem_free(name);
    return r;
}

static void note_broken(struct walk *w, struct result r)
{
    w->refused = true;
    w->total->refused++;
    int code = r.code ? r.code : 2106;
    buf_printf(&w->report, "代码 code %d  %s\n", code, code_message_of(w->arena, code, r.text));
}

static RESULT walk_file(struct walk *w, const char *path)
{
    struct buf bytes = BUF_INIT;
    struct result r = read_whole(path, &bytes);
    if (result_ok(r))
        r = archive_each(bytes.data, bytes.len, w->config->max_plain, import_document, w);
    buf_free(&bytes);
    if (!result_ok(r) && (r.kind == ERR_SENDER || r.kind == ERR_LIMIT)) {
        note_broken(w, r);
        r = RESULT_OK;
    }
    return r;
}

static RESULT import_one(const struct import_config *config, const char *path, struct import_total *total, bool *again,
                         bool *refused)
{
    struct walk w = {.config = config, .total = total, .arena = arena_new(0)};
    total->files++;
    struct result r = walk_file(&w, path);
    if (result_ok(r) && !w.again)
        r = write_report(path, &w.report);
    if (result_ok(r) && w.again)
        total->again++;
    *again = w.again;
    *refused = w.refused;
    log_write(result_ok(r) ? LOG_INFO : LOG_DEBUG, "import", "file", "path=%s refused=%d again=%d", log_quote(path),
              w.refused, w.again);
    buf_free(&w.report);
    arena_free(&w.arena);
    return r;
}

RESULT import_file(const struct import_config *config, const char *path, struct import_total *total)
{
    bool again = false, refused = false;
    return import_one(config, path, total, &again, &refused);
}

/* ---- a folder ---- */

static bool taken(const char *dir, const char *name, const char *tail)
{
    struct stat st;
    char *path = mem_printf("%s/%s%s", dir, name, tail);
    bool exists = lstat(path, &st) == 0;
    mem_free(path);
    return exists;
}

/* The name itself, or with the microsecond behind it: neither an earlier file nor its report is overwritten. */
static char *free_name(const char *dir, const char *name)
{
    char *free_one = mem_printf("%s", name);
    for (int64_t at = clock_now(); taken(dir, free_one, "") || taken(dir, free_one, ".result.txt"); at++) {
        mem_free(free_one);
        free_one = mem_printf("%s.%lld", name, (long long)at);
    }
    return free_one;
}

static RESULT move_as(const char *folder, const char *dir, const char *name, const char *as, const char *tail)
{
    char *from = mem_printf("%s/%s%s", folder, name, tail);
    char *to = mem_printf("%s/%s%s", dir, as, tail);
    struct result r = RESULT_OK;
    if (rename(from, to) != 0)
        r = result_error(ERR_INTERNAL, 0, "%s 无法移入 / cannot be moved there: %s", to, strerror(errno));
    mem_free(from);
    mem_free(to);
    return r;
}

static RESULT set_aside(const char *folder, const char *sub, const char *name)
{
    char *dir = mem_printf("%s/%s", folder, sub);
    struct result r = RESULT_OK;
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        r = result_error(ERR_INTERNAL, 0, "%s 无法建立 / cannot be made: %s", dir, strerror(errno));
    char *as = free_name(dir, name);
    if (result_ok(r)) /* the file first: a report without its file would hide a repetition */
        r = move_as(folder, dir, name, as, "");
    if (result_ok(r))
        r = move_as(folder, dir, name, as, ".result.txt");
    mem_free(as);
    mem_free(dir);
    return r;
}

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n >= k && strcmp(name + n - k, tail) == 0;
}

static int wanted(const struct dirent *e)
{
    return e->d_name[0] != '.' && !ends_with(e->d_name, ".part") && !ends_with(e->d_name, ".result.txt");
}

/* ---- what was told already ---- */

/* The name and what changes with a file's content, place or rights. */
static uint64_t file_state(const char *folder, const char *name)
{
    struct stat st = {0};
    char *path = mem_printf("%s/%s", folder, name);
    bool there = lstat(path, &st) == 0;
    mem_free(path);
    const int64_t seen[] = {
        there,      (int64_t)st.st_ino,         st.st_size,        st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
        st.st_mode, (int64_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
    return hash_bytes(name, strlen(name), hash_bytes(seen, sizeof seen, 0));
}

static bool was_told(const struct import_told *told, uint64_t state)
{
    for (size_t i = 0; told && i < told->count; i++)
        if (told->at[i] == state)
            return true;
    return false;
}

static void note_told(struct import_told *told, uint64_t state)
{
    told->at = mem_grow(told->at, (told->count + 1) * sizeof told->at[0]);
    told->at[told->count++] = state;
}

void import_told_free(struct import_told *told)
{
    mem_free(told->at);
    *told = (struct import_told){0};
}

/* Only what still is in the way is remembered. */
static void remember(struct import_told *told, struct import_told *now)
{
    if (told) {
        import_told_free(told);
        *told = *now;
    } else {
        import_told_free(now);
    }
}

static RESULT spool_one(const struct import_config *config, const char *folder, const char *name,
                        struct import_total *total)
{
    char *path = mem_printf("%s/%s", folder, name);
    struct stat st;
    bool again = false, refused = false;
    bool regular = stat(path, &st) == 0 && S_ISREG(st.st_mode);
    struct result r = regular ? import_one(config, path, total, &again, &refused) : RESULT_OK;
    mem_free(path);
    if (!result_ok(r) || !regular || again)
        return r;
    return set_aside(folder, refused ? "broken" : "done", name);
}

RESULT import_spool(const struct import_config *config, const char *folder, struct import_total *total)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, wanted, alphasort);
    if (n < 0)
        return result_error(ERR_NOT_FOUND, 0, "%s 无法打开 / cannot be opened: %s", folder, strerror(errno));
    struct import_told now = {0};
    for (int i = 0; i < n; i++) {
        uint64_t state = file_state(folder, names[i]->d_name);
        struct result r = spool_one(config, folder, names[i]->d_name, total);
        if (!result_ok(r)) { /* this file's trouble is not that of the others */
            log_result(was_told(config->told, state) ? LOG_DEBUG : LOG_WARN, "import", "file_failed", r);
            metric_add(&FAILED, 1);
            note_told(&now, state);
            total->again++;
        }
        free(names[i]); /* scandir's own malloc */
    }
    free(names);
    remember(config->told, &now);
    return RESULT_OK;
}
