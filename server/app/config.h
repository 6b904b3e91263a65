/* config: every option of nhjcd and nhjcctl in one struct, filled from the configuration file.
 * Owner: config_free. Thread: immutable after load; reload builds a new one. */
#ifndef NHJC_APP_CONFIG_H
#define NHJC_APP_CONFIG_H

#include "base/buf.h"
#include "base/option.h"
#include "fep/fep.h"
#include "net/net.h"

#define CONFIG_MAX_DESTINATIONS 8 /* as many as struct ingest_config holds */

struct config {
    char *platform_code, *platform_name, *timezone;
    char *listen_host;
    int64_t listen_port, loops, workers;
    char *cert_file, *key_file, *ca_file, *crl_file;
    char *database;       /* libpq conninfo */
    char *query_database; /* read-only questions; "" = database */
    char *identity_rule, *public_url;
    char *admin_socket; /* unix socket of the running server */
    char *port_file;    /* the port really bound is written here, "" = not */
    char *log_file, *log_level;
    char *import_dir;   /* spool folder of files; "" = none */
    char *pki_dir;      /* demo CA used by nhjcctl pki */
    char *clock_offset; /* tests: "3d" ahead, "-2h" behind; "" = real */
    int64_t rollup_threads, rollup_slice;
    int64_t header_bytes, header_lines, body_bytes, plain_bytes, depth, attributes, tag_bytes, records;
    int64_t body_memory, handshakes_per_address, connection_age_ms;
    int64_t handshake_ms, body_ms, body_ms_per_64k, idle_ms, write_ms, max_connections, max_inflight;
    int64_t rate_per_minute, identity_workers, query_workers;
    int64_t future_ms, late_grace_ms;
    int64_t reported_tolerance_ppm;
    int64_t drain_ms;         /* shutdown: requests in hand may take this long */
    int64_t database_wait_ms; /* start: a database that is away is waited for this long */
    int64_t partitions_ahead; /* months made ahead by housekeeping */
    int64_t outbox_keep_ms;   /* forwarded entries and messages are kept this long */
    int64_t retention_raw_ms, retention_payload_ms, retention_audit_ms; /* older partitions are dropped */
    int64_t auto_reupload_ms;                                           /* gaps are looked for this often */
    int64_t auto_reupload_days;                                         /* in so many days before today */
    int64_t auto_reupload_open; /* open requests of the platform's own for one enterprise */
    bool payload_encryption, require_dic_version, auto_reupload;
    struct fep_destination *destinations;
    size_t destination_count;
};

/* The whole file is read and judged before anything is given; SENDER with file and line otherwise.
 * path NULL: the defaults. */
RESULT config_load(const char *path, struct config *config);
/* text instead of a file; relative paths are taken from dir. For tests. */
RESULT config_load_text(const char *text, const char *dir, struct config *config);
void config_free(struct config *config);
char *config_sample(void);                                            /* mem_free */
void config_net(const struct config *config, struct net_config *out); /* borrows */
/* What a server needs beyond what the operator's commands need: certificate, key, trusted CAs. */
RESULT config_check_server(const struct config *config);
int64_t config_clock_offset(const struct config *config); /* microseconds */
/* Names of options that differ and cannot be changed by a reload, separated by ", "; appended to out. */
void config_restart_options(const struct config *running, const struct config *wanted, struct buf *out);

#endif
