#include "sim/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "sim/spool_record.h"

#define SHORTEN_EMPTY (4 << 20) /* journal bytes above which an empty spool is rewritten */
#define SHORTEN_LIVE (64 << 20) /* and one whose live messages are less than a quarter of it */
#define LABEL_MAX 256

struct entry { /* one message waiting; its content stays on disk */
    struct spool_message message;
    char *label;
    int64_t at; /* of the content in the journal */
    size_t len;
};

struct position {
    char *label;
    int64_t value;
};

struct spool {
    char *dir, *owner;
    char id[13];
    int lock, fd;
    int64_t size, live; /* bytes of the journal; of the content that waits */
    uint64_t next_number;
    struct entry *entries; /* a ring would save little: `first` moves, the array is packed now and then */
    size_t first, count, cap;
    int64_t readings;
    struct position *positions;
    size_t position_count;
};

static RESULT disk_error(const struct spool *s, const char *what)
{
    enum err_kind kind = errno == ENOSPC || errno == EDQUOT ? ERR_TRANSIENT : ERR_INTERNAL;
    return result_error(kind, 0, "缓存目录 / spool %s: %s: %s", s->dir, what, strerror(errno));
}

static char *path_of(const struct spool *s, const char *name)
{
    return mem_printf("%s/%s", s->dir, name);
}

/* ---------------------------------------------------------------- in memory */

static struct position *position_of(struct spool *s, const char *label)
{
    for (size_t i = 0; i < s->position_count; i++) {
        if (strcmp(s->positions[i].label, label) == 0) {
            return &s->positions[i];
        }
    }
    s->positions = mem_grow(s->positions, (s->position_count + 1) * sizeof *s->positions);
    s->positions[s->position_count] = (struct position){mem_strdup(label), INT64_MIN};
    return &s->positions[s->position_count++];
}

int64_t spool_position(const struct spool *spool, const char *label)
{
    for (size_t i = 0; i < spool->position_count; i++) {
        if (strcmp(spool->positions[i].label, label) == 0) {
            return spool->positions[i].value;
        }
    }
    return INT64_MIN;
}

void spool_forget(struct spool *spool, const char *label)
{
    position_of(spool, label)->value = INT64_MIN;
}

static void pack_entries(struct spool *s)
{
    size_t waiting = s->count - s->first;
    if (s->first > 1024 && s->first > waiting) {
        memmove(s->entries, s->entries + s->first, waiting * sizeof *s->entries);
        s->first = 0;
        s->count = waiting;
    }
}

static void add_entry(struct spool *s, const struct spool_message *message, int64_t at, size_t len)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->entries = mem_grow(s->entries, s->cap * sizeof *s->entries);
    }
    struct entry *e = &s->entries[s->count++];
    *e = (struct entry){.message = *message, .label = mem_strdup(message->label), .at = at, .len = len};
    e->message.label = e->label;
    s->live += (int64_t)len;
    s->readings += message->readings;
}

static void drop_first(struct spool *s)
{
    struct entry *e = &s->entries[s->first++];
    s->live -= (int64_t)e->len;
    s->readings -= e->message.readings;
    mem_free(e->label);
    pack_entries(s);
}

size_t spool_pending(const struct spool *spool)
{
    return spool->count - spool->first;
}

int64_t spool_pending_readings(const struct spool *spool)
{
    return spool->readings;
}

/* ---------------------------------------------------------------- records */

static void write_header(const struct spool *s, struct buf *out)
{
    struct buf head = BUF_INIT;
    buf_printf(&head, "id=%s\nowner=%s\nnext=%" PRIu64 "\n", s->id, s->owner, s->next_number);
    spool_record_write(out, 'H', &head, "", 0);
    buf_free(&head);
}

static void write_position(const struct position *p, struct buf *out)
{
    struct buf head = BUF_INIT;
    buf_printf(&head, "label=%s\nposition=%" PRId64 "\n", p->label, p->value);
    spool_record_write(out, 'P', &head, "", 0);
    buf_free(&head);
}

static void write_message(const struct spool_message *m, const void *content, size_t len, struct buf *out)
{
    struct buf head = BUF_INIT;
    buf_printf(&head, "number=%" PRIu64 "\nid=%s\nencoding=%s\nencryption=%s\n", m->number, m->id, m->encoding,
               m->encryption);
    buf_printf(&head, "digestMethod=%s\ndigest=%s\nreadings=%d\n", m->digest_method, m->digest, m->readings);
    buf_printf(&head, "label=%s\nposition=%" PRId64 "\n", m->label, m->position);
    spool_record_write(out, 'M', &head, content, len);
    buf_free(&head);
}

static int64_t number_field(const struct spool_record *r, const char *key, int64_t otherwise)
{
    char text[32];
    return spool_record_field(r, key, text, sizeof text) ? strtoll(text, NULL, 10) : otherwise;
}

static RESULT load_header(struct spool *s, const struct spool_record *r)
{
    char owner[128] = "";
    spool_record_field(r, "id", s->id, sizeof s->id);
    s->next_number = (uint64_t)number_field(r, "next", 1);
    spool_record_field(r, "owner", owner, sizeof owner);
    if (strcmp(owner, s->owner) != 0) {
        return result_error(ERR_CONFLICT, 0, "缓存目录属于另一设备 / spool %s belongs to %s, not to %s", s->dir, owner,
                            s->owner);
    }
    return RESULT_OK;
}

static void load_message(struct spool *s, const struct spool_record *r, int64_t offset)
{
    struct spool_message m = {0};
    char label[LABEL_MAX] = "";
    m.number = (uint64_t)number_field(r, "number", 0);
    m.readings = (int)number_field(r, "readings", 0);
    m.position = number_field(r, "position", INT64_MIN);
    spool_record_field(r, "id", m.id, sizeof m.id);
    spool_record_field(r, "encoding", m.encoding, sizeof m.encoding);
    spool_record_field(r, "encryption", m.encryption, sizeof m.encryption);
    spool_record_field(r, "digestMethod", m.digest_method, sizeof m.digest_method);
    spool_record_field(r, "digest", m.digest, sizeof m.digest);
    spool_record_field(r, "label", label, sizeof label);
    m.label = label;
    size_t before = r->size - r->data_len - 1;
    add_entry(s, &m, offset + (int64_t)before, r->data_len);
    position_of(s, label)->value = m.position;
    s->next_number = m.number + 1;
}

/* Messages are delivered in order, so a mark is always about the first that waits. */
static void load_done(struct spool *s, const struct spool_record *r)
{
    uint64_t number = (uint64_t)number_field(r, "number", 0);
    while (spool_pending(s) && s->entries[s->first].message.number <= number) {
        drop_first(s);
    }
    if (s->next_number <= number) {
        s->next_number = number + 1;
    }
}

static RESULT load_record(struct spool *s, const struct spool_record *r, int64_t offset)
{
    char label[LABEL_MAX] = "";
    switch (r->type) {
    case 'H':
        return load_header(s, r);
    case 'M':
        load_message(s, r, offset);
        break;
    case 'D':
        load_done(s, r);
        break;
    case 'P':
        spool_record_field(r, "label", label, sizeof label);
        position_of(s, label)->value = number_field(r, "position", INT64_MIN);
        break;
    default: /* of a later version: nothing that matters for sending */
        break;
    }
    return RESULT_OK;
}

static RESULT load_bytes(struct spool *s, const unsigned char *bytes, size_t len)
{
    struct spool_record r;
    for (size_t at = 0; at < len && spool_record_read(bytes + at, len - at, &r); at += r.size) {
        TRY(load_record(s, &r, (int64_t)at));
        s->size = (int64_t)(at + r.size);
    }
    return RESULT_OK;
}

/* ---------------------------------------------------------------- the file */

static RESULT append_bytes(struct spool *s, const struct buf *bytes)
{
    size_t done = 0;
    while (done < bytes->len) {
        ssize_t n = pwrite(s->fd, bytes->data + done, bytes->len - done, s->size + (off_t)done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            struct result r = disk_error(s, "write");
            if (ftruncate(s->fd, s->size) != 0) {
                return disk_error(s, "truncate");
            }
            return r;
        }
        done += (size_t)n;
    }
    s->size += (int64_t)bytes->len;
    return RESULT_OK;
}

static RESULT sync_dir(const struct spool *s)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    struct result r = ok ? RESULT_OK : disk_error(s, "sync of the folder");
    if (fd >= 0) {
        close(fd);
    }
    return r;
}

RESULT spool_sync(struct spool *spool)
{
    return fdatasync(spool->fd) == 0 ? RESULT_OK : disk_error(spool, "sync");
}

static RESULT load_journal(struct spool *s, size_t *cut)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0) {
        return disk_error(s, "stat");
    }
    if (st.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, s->fd, 0);
        if (bytes == MAP_FAILED) {
            return disk_error(s, "map");
        }
        struct result r = load_bytes(s, bytes, (size_t)st.st_size);
        munmap(bytes, (size_t)st.st_size);
        TRY(r);
    }
    *cut = (size_t)(st.st_size - s->size);
    if (*cut && ftruncate(s->fd, s->size) != 0) {
        return disk_error(s, "truncate");
    }
    return RESULT_OK;
}

static RESULT begin_journal(struct spool *s)
{
    random_hex(s->id, 6);
    struct buf bytes = BUF_INIT;
    write_header(s, &bytes);
    struct result r = append_bytes(s, &bytes);
    buf_free(&bytes);
    TRY(r);
    TRY(spool_sync(s));
    return sync_dir(s);
}

static int open_in(const struct spool *s, const char *name, int flags)
{
    char *path = path_of(s, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    mem_free(path);
    return fd;
}

static RESULT open_files(struct spool *s, size_t *cut)
{
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        return disk_error(s, "mkdir");
    }
    s->lock = open_in(s, "lock", O_RDWR | O_CREAT);
    if (s->lock < 0) {
        return disk_error(s, "lock");
    }
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        return result_error(ERR_CONFLICT, 0, "缓存目录正被另一进程使用 / spool %s is in use by another process",
                            s->dir);
    }
    s->fd = open_in(s, "journal", O_RDWR | O_CREAT);
    if (s->fd < 0) {
        return disk_error(s, "journal");
    }
    TRY(load_journal(s, cut));
    return s->id[0] ? RESULT_OK : begin_journal(s);
}

RESULT spool_open(const char *dir, const char *owner, struct spool **spool, size_t *cut)
{
    struct spool *s = mem_alloc(sizeof *s);
    s->dir = mem_strdup(dir);
    s->owner = mem_strdup(owner);
    s->lock = s->fd = -1;
    s->next_number = 1;
    *cut = 0;
    struct result r = open_files(s, cut);
    if (!result_ok(r)) {
        spool_close(&s);
    }
    *spool = s;
    return r;
}

void spool_close(struct spool **spool)
{
    struct spool *s = *spool;
    if (!s) {
        return;
    }
    while (spool_pending(s)) {
        drop_first(s);
    }
    for (size_t i = 0; i < s->position_count; i++) {
        mem_free(s->positions[i].label);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->lock >= 0) {
        close(s->lock);
    }
    mem_free(s->positions);
    mem_free(s->entries);
    mem_free(s->owner);
    mem_free(s->dir);
    mem_free(s);
    *spool = NULL;
}

/* ---------------------------------------------------------------- messages */

void spool_new_id(struct spool *spool, char id[65])
{
    char salt[9];
    random_hex(salt, 4);
    snprintf(id, 65, "%s-%08" PRIu64 "-%s", spool->id, spool->next_number, salt);
}

RESULT spool_append(struct spool *spool, struct spool_message *message, const struct buf *content)
{
    struct buf bytes = BUF_INIT;
    spool_new_id(spool, message->id);
    message->number = spool->next_number;
    write_message(message, content->data, content->len, &bytes);
    struct result r = append_bytes(spool, &bytes);
    buf_free(&bytes);
    TRY(r);
    spool->next_number++;
    add_entry(spool, message, spool->size - 1 - (int64_t)content->len, content->len);
    position_of(spool, message->label)->value = message->position;
    return RESULT_OK;
}

static RESULT read_content(const struct spool *s, const struct entry *e, struct buf *content)
{
    buf_clear(content);
    buf_reserve(content, e->len);
    ssize_t n = pread(s->fd, content->data, e->len, e->at);
    if (n != (ssize_t)e->len) {
        return disk_error(s, "read");
    }
    content->data[e->len] = 0;
    content->len = e->len;
    return RESULT_OK;
}

RESULT spool_head(struct spool *spool, const struct spool_message **message, struct buf *content)
{
    *message = NULL;
    if (!spool_pending(spool)) {
        return RESULT_OK;
    }
    const struct entry *e = &spool->entries[spool->first];
    TRY(read_content(spool, e, content));
    *message = &e->message;
    return RESULT_OK;
}

/* Header, positions and waiting messages; entries get their new place. */
static RESULT copy_live(struct spool *s, struct spool *to)
{
    struct buf bytes = BUF_INIT, content = BUF_INIT;
    write_header(s, &bytes);
    for (size_t i = 0; i < s->position_count; i++) {
        write_position(&s->positions[i], &bytes);
    }
    struct result r = append_bytes(to, &bytes);
    for (size_t i = s->first; result_ok(r) && i < s->count; i++) {
        struct entry *e = &s->entries[i];
        r = read_content(s, e, &content);
        if (result_ok(r)) {
            buf_clear(&bytes);
            write_message(&e->message, content.data, content.len, &bytes);
            r = append_bytes(to, &bytes);
            add_entry(to, &e->message, to->size - 1 - (int64_t)e->len, e->len);
        }
    }
    buf_free(&bytes);
    buf_free(&content);
    return result_ok(r) ? spool_sync(to) : r;
}

/* From here on the new file is the journal, whatever follows. */
static void take_over(struct spool *s, struct spool *fresh)
{
    for (size_t i = 0; i < fresh->count; i++) {
        s->entries[s->first + i].at = fresh->entries[i].at;
    }
    int old = s->fd;
    s->fd = fresh->fd;
    s->size = fresh->size;
    fresh->fd = old;
}

static bool rename_in(const struct spool *s, const char *from_name, const char *to_name)
{
    char *from = path_of(s, from_name), *to = path_of(s, to_name);
    bool ok = rename(from, to) == 0;
    mem_free(from);
    mem_free(to);
    return ok;
}

static void remove_in(const struct spool *s, const char *name)
{
    char *path = path_of(s, name);
    unlink(path);
    mem_free(path);
}

static RESULT shorten(struct spool *s)
{
    struct spool fresh = {.dir = s->dir, .fd = open_in(s, "journal.new", O_RDWR | O_CREAT | O_TRUNC)};
    if (fresh.fd < 0) {
        return disk_error(s, "journal.new");
    }
    struct result r = copy_live(s, &fresh);
    if (result_ok(r)) {
        r = rename_in(s, "journal.new", "journal") ? RESULT_OK : disk_error(s, "rename");
    }
    if (result_ok(r)) {
        take_over(s, &fresh);
        r = sync_dir(s);
    }
    close(fresh.fd);
    if (!result_ok(r)) {
        remove_in(s, "journal.new"); /* on a full disk it is in the way of what matters */
    }
    while (spool_pending(&fresh)) {
        drop_first(&fresh);
    }
    mem_free(fresh.entries);
    return r;
}

RESULT spool_start_over(struct spool *spool)
{
    while (spool_pending(spool)) {
        drop_first(spool);
    }
    for (size_t i = 0; i < spool->position_count; i++) {
        spool->positions[i].value = INT64_MIN;
    }
    return shorten(spool);
}

RESULT spool_done(struct spool *spool, int code)
{
    struct buf head = BUF_INIT, bytes = BUF_INIT;
    buf_printf(&head, "number=%" PRIu64 "\ncode=%d\n", spool->entries[spool->first].message.number, code);
    spool_record_write(&bytes, 'D', &head, "", 0);
    struct result r = append_bytes(spool, &bytes);
    buf_free(&head);
    buf_free(&bytes);
    TRY(r);
    drop_first(spool);
    bool empty = spool_pending(spool) == 0;
    bool sparse = spool->size > SHORTEN_LIVE && spool->live < spool->size / 4;
    r = (empty && spool->size > SHORTEN_EMPTY) || sparse ? shorten(spool) : RESULT_OK;
    return r.kind == ERR_TRANSIENT ? RESULT_OK : r; /* the message is done; shortening waits for room */
}

/* ---------------------------------------------------------------- state beside the journal */

/* Small files beside the journal are replaced whole: what stands in them is what was before, or what is now. */
static RESULT save_file(struct spool *spool, const char *name, const char *fresh, const struct buf *text)
{
    struct spool file = {.dir = spool->dir, .fd = open_in(spool, fresh, O_RDWR | O_CREAT | O_TRUNC)};
    if (file.fd < 0) {
        return disk_error(spool, fresh);
    }
    struct result r = append_bytes(&file, text);
    if (result_ok(r)) {
        r = spool_sync(&file);
    }
    close(file.fd);
    TRY(r);
    return rename_in(spool, fresh, name) ? sync_dir(spool) : disk_error(spool, "rename");
}

static RESULT load_file(struct spool *spool, const char *name, struct buf *text)
{
    char block[4096];
    int fd = open_in(spool, name, O_RDONLY);
    if (fd < 0) {
        return errno == ENOENT ? RESULT_OK : disk_error(spool, name);
    }
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0) {
        buf_append(text, block, (size_t)n);
    }
    close(fd);
    return n == 0 ? RESULT_OK : disk_error(spool, name);
}

RESULT spool_save_state(struct spool *spool, const struct buf *text)
{
    return save_file(spool, "device", "device.new", text);
}

RESULT spool_load_state(struct spool *spool, struct buf *text)
{
    return load_file(spool, "device", text);
}

RESULT spool_save_base_data(struct spool *spool, const struct buf *text)
{
    return save_file(spool, "base-data", "base-data.new", text);
}

RESULT spool_load_base_data(struct spool *spool, struct buf *text)
{
    return load_file(spool, "base-data", text);
}
