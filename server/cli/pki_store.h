/* pki_store: the files of the CA's folder: lock, whole-file writes, the index of what was issued.
 * Index line: kind identity serial not_after fingerprint revoked_at (seconds since 1970; 0: in force), and the device
 *          where it names one.
 * Thread: one at a time; processes are kept apart by pki_store_lock. */
#ifndef NHJC_CLI_PKI_STORE_H
#define NHJC_CLI_PKI_STORE_H

#include <sys/types.h>

#include "cli/pki.h"

struct pki_index {
    struct pki_entry *at;
    size_t count, cap;
};

/* The folder is made when missing. *fd: given, released by pki_store_unlock. */
RESULT pki_store_lock(const char *dir, int *fd);
void pki_store_unlock(int *fd);
/* Written beside, flushed to the disk, then moved into place: a reader sees the old or the new bytes, whole. */
RESULT pki_store_write(const char *path, const void *bytes, size_t n, mode_t mode);
void pki_store_path(char out[PKI_PATH], const char *dir, const char *name, const char *suffix);
bool pki_store_exists(const char *path);

RESULT pki_index_load(const char *dir, struct pki_index *index); /* no file: empty */
RESULT pki_index_append(const char *dir, const struct pki_entry *entry);
RESULT pki_index_save(const char *dir, const struct pki_index *index);
void pki_index_free(struct pki_index *index);

#endif
