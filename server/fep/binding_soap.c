/* The contract's PlatformExchange service over soap_client. */
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"
#include "fep/fep_binding.h"
#include "fep/reply.h"
#include "payload/envelope.h"
#include "soap/soap_client.h"

enum { CONNECT_MS = 10000, TIMEOUT_MS = 60000 };
static const size_t MAX_ANSWER = (size_t)16 << 20;
static const size_t MAX_CONFIG = (size_t)64 << 20;

struct binding_soap {
    struct soap_client *client;
    const struct fep_destination *destination;
    struct buf plain; /* unpacked configuration set */
};

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static void read_common(const struct client_common *c, struct fep_reply *reply)
{
    reply->code = c->code;
    copy_text(reply->text, sizeof reply->text, c->message);
}

static void note_findings(const struct client_finding *findings, size_t count, struct fep_reply *reply)
{
    struct reply_finding *f = mem_array(count + 1, sizeof *f);
    for (size_t i = 0; i < count; i++)
        f[i] = (struct reply_finding){findings[i].code, findings[i].line, findings[i].data_code, findings[i].stat_date};
    reply_note_findings(reply, f, count);
    mem_free(f);
}

/* What holds for failed calls too. */
static struct result called(const struct binding_soap *b, struct result r, struct fep_reply *reply)
{
    reply->retry_after = soap_client_retry_after(b->client);
    return r;
}

/* ---- operations ---- */

static struct result soap_register(void *self, struct fep_reply *reply)
{
    struct binding_soap *b = self;
    struct client_platform_answer a = {0};
    struct result r = soap_client_register_platform(b->client, b->destination->platform_code,
                                                    b->destination->platform_name, "nhjcd " NHJC_VERSION, &a);
    TRY(called(b, r, reply));
    read_common(&a.common, reply);
    copy_text(reply->reg_version, sizeof reply->reg_version, a.reg_version);
    copy_text(reply->dic_version, sizeof reply->dic_version, a.dic_version);
    return RESULT_OK;
}

static struct result soap_data(void *self, const struct fep_message *m, const struct fep_versions *v,
                               struct fep_reply *reply)
{
    struct binding_soap *b = self;
    struct client_upload u = {.message_id = m->message_id,
                              .platform_code = b->destination->platform_code,
                              .reg_version = v->reg_version,
                              .dic_version = v->dic_version,
                              .content_encoding = "gzip",
                              .encryption = "none",
                              .digest_method = "SHA-256",
                              .digest = m->digest,
                              .content = m->content.data,
                              .content_len = m->content.len};
    struct client_upload_answer a = {0};
    TRY(called(b, soap_client_upload(b->client, &u, &a), reply));
    read_common(&a.common, reply);
    copy_text(reply->upload_id, sizeof reply->upload_id, a.upload_id);
    reply->rejected = a.rejected;
    reply->duplicate = a.duplicate;
    note_findings(a.findings, a.finding_count, reply);
    return RESULT_OK;
}

/* UploadEnterprises knows no content encoding: the stored bytes are unpacked, which gives the same XML each time. */
static struct result soap_config(void *self, const struct fep_message *m, struct fep_reply *reply)
{
    struct binding_soap *b = self;
    struct client_config_answer a = {0};
    buf_clear(&b->plain);
    TRY(envelope_gunzip(m->content.data, m->content.len, MAX_CONFIG, &b->plain));
    struct result r = soap_client_upload_enterprises(b->client, m->message_id, b->destination->platform_code,
                                                     b->plain.data, b->plain.len, &a);
    TRY(called(b, r, reply));
    read_common(&a.common, reply);
    note_findings(a.findings, a.finding_count, reply);
    return RESULT_OK;
}

static struct result soap_heartbeat(void *self, int64_t pending, int64_t oldest, struct fep_reply *reply)
{
    struct binding_soap *b = self;
    struct client_common common = {0};
    char text[CALTIME_TEXT];
    TRY(soap_client_platform_heartbeat(b->client, b->destination->platform_code, pending,
                                       oldest ? caltime_format(oldest, text) : NULL, &common));
    read_common(&common, reply);
    return RESULT_OK;
}

static void soap_free(void *self)
{
    struct binding_soap *b = self;
    soap_client_free(&b->client);
    buf_free(&b->plain);
    mem_free(b);
}

RESULT binding_soap_make(const struct fep_destination *destination, void *arg, struct fep_binding *binding)
{
    (void)arg;
    size_t host = strlen(destination->url);
    while (host > 0 && destination->url[host - 1] == '/')
        host--;
    char *url = mem_printf("%.*s/services/exchange", (int)host, destination->url);
    struct tls_client_config config = {.url = url,
                                       .cert_file = destination->cert_file,
                                       .key_file = destination->key_file,
                                       .ca_file = destination->ca_file,
                                       .connect_ms = CONNECT_MS,
                                       .timeout_ms = TIMEOUT_MS,
                                       .max_answer = MAX_ANSWER};
    struct binding_soap *b = mem_alloc(sizeof *b);
    b->destination = destination;
    struct result r = soap_client_new(&config, &b->client);
    mem_free(url);
    if (!result_ok(r)) {
        mem_free(b);
        return r;
    }
    *binding = (struct fep_binding){.register_platform = soap_register,
                                    .send_data = soap_data,
                                    .send_config = soap_config,
                                    .heartbeat = soap_heartbeat,
                                    .free = soap_free,
                                    .self = b,
                                    .timeout_ms = TIMEOUT_MS};
    return RESULT_OK;
}

/* Here and not beside the threads, so that they can be linked without SOAP. */
RESULT fep_start(const struct fep_destination *destination, int id, const struct db_config *db, struct fep **fep)
{
    struct fep_binding_maker maker = {.make = binding_soap_make};
    return fep_start_over(destination, id, db, &maker, fep);
}
