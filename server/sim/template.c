#include "sim/template.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"
#include "payload/envelope.h"
#include "soap/base64.h"

#define DATE_LEN 19
#define VALUE_LEN 6 /* "ddd.dd" */
#define HEX_LEN 64
#define UPLOAD_LEN 10

struct template
{
    struct template_config config;
    struct buf xml, request;
    size_t upload_date, first_record, record_len; /* places in xml */
    size_t code, date, value;                     /* places in a record */
    size_t number, digest, content;               /* places in request */
    uint64_t random;
    int64_t filled; /* the upload that the request holds; -1: none */
};

static const struct {
    const char code[7], *unit; /* class and energy type */
} ENERGIES[] = {{"023300", "kWh"}, {"011500", "m3"}, {"020900", "t"}, {"010104", "t"}, {"023200", "GJ"},
                {"022100", "t"},   {"021100", "m3"}, {"022300", "t"}, {"010102", "t"}, {"021200", "m3"}};
_Static_assert(ARRAY_LEN(ENERGIES) * 2 == TEMPLATE_ENERGIES, "each bought and consumed");

static bool is_energy(int n)
{
    return n % 10 == 0 && n / 10 < TEMPLATE_ENERGIES;
}

int template_energies(int items)
{
    int n = (items + 9) / 10;
    return n < TEMPLATE_ENERGIES ? n : TEMPLATE_ENERGIES;
}

const char *template_unit(int n)
{
    return is_energy(n) ? ENERGIES[(size_t)n / 10 % ARRAY_LEN(ENERGIES)].unit : "";
}

void template_code(int n, char code[17])
{
    if (is_energy(n)) {
        size_t k = (size_t)n / 10;
        snprintf(code, 17, "00000000%s%s", ENERGIES[k % ARRAY_LEN(ENERGIES)].code,
                 k < ARRAY_LEN(ENERGIES) ? "10" : "60");
        return;
    }
    unsigned category = (unsigned)n / 99 % 99 + 1, subitem = (unsigned)n % 99 + 1;
    memcpy(code, "0000000010000080", 17);
    code[10] = (char)('0' + category / 10);
    code[11] = (char)('0' + category % 10);
    code[12] = (char)('0' + subitem / 10);
    code[13] = (char)('0' + subitem % 10);
}

static const char RECORD[] = "<data dataCode=\"CCCCCCCCCCCCCCCC\" statType=\"0\" statDate=\"DDDDDDDDDDDDDDDDDDD\" "
                             "dataValue=\"VVVVVV\" inputType=\"4\" scope=\"1\"/>\n";

static void write_xml(struct template *t)
{
    const struct template_config *c = &t->config;
    buf_printf(&t->xml, "<energyData xmlns=\"urn:nhjc:data:v1\" enterpriseCode=\"%s\" deviceId=\"%s\" uploadDate=\"",
               c->enterprise, c->device_id);
    t->upload_date = t->xml.len;
    buf_append_str(&t->xml, "0000-00-00 00:00:00\">\n");
    t->first_record = t->xml.len;
    t->record_len = sizeof RECORD - 1;
    t->code = (size_t)(strstr(RECORD, "CCC") - RECORD);
    t->date = (size_t)(strstr(RECORD, "DDD") - RECORD);
    t->value = (size_t)(strstr(RECORD, "VVV") - RECORD);
    for (int i = 0; i < c->readings; i++) {
        buf_append(&t->xml, RECORD, t->record_len);
    }
    buf_append_str(&t->xml, "</energyData>\n");
}

static void write_request(struct template *t)
{
    const struct template_config *c = &t->config;
    struct buf *r = &t->request;
    buf_append_str(
        r,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">"
        "<s:Body><UploadData xmlns=\"urn:nhjc:access:v1\"><messageId>");
    buf_printf(r, "%s-", c->run);
    t->number = r->len;
    buf_printf(r, "%0*d</messageId><deviceId>%s</deviceId><enterpriseCode>%s</enterpriseCode>", UPLOAD_LEN, 0,
               c->device_id, c->enterprise);
    buf_printf(r,
               "<regVersion>%s</regVersion><dicVersion>%s</dicVersion><contentEncoding>identity</contentEncoding>"
               "<encryption>none</encryption><digestMethod>SHA-256</digestMethod><digest>",
               c->reg_version, c->dic_version);
    t->digest = r->len;
    buf_printf(r, "%0*d</digest><content>", HEX_LEN, 0);
    t->content = r->len;
    buf_reserve(r, BASE64_LENGTH(t->xml.len));
    r->len += BASE64_LENGTH(t->xml.len);
    buf_append_str(r, "</content></UploadData></s:Body></s:Envelope>");
}

struct template *template_new(const struct template_config *config)
{
    struct template *t = mem_alloc(sizeof *t);
    t->config = *config;
    t->filled = -1;
    t->config.enterprise = mem_strdup(config->enterprise);
    t->config.device_id = mem_strdup(config->device_id);
    t->config.reg_version = mem_strdup(config->reg_version);
    t->config.dic_version = mem_strdup(config->dic_version);
    t->config.run = mem_strdup(config->run);
    write_xml(t);
    write_request(t);
    return t;
}

void template_free(struct template **t)
{
    if (*t) {
        mem_free((void *)(*t)->config.enterprise);
        mem_free((void *)(*t)->config.device_id);
        mem_free((void *)(*t)->config.reg_version);
        mem_free((void *)(*t)->config.dic_version);
        mem_free((void *)(*t)->config.run);
        buf_free(&(*t)->xml);
        buf_free(&(*t)->request);
        mem_free(*t);
        *t = NULL;
    }
}

static int64_t instant_of(const struct template *t, int64_t reading)
{
    return t->config.first + reading / t->config.items * t->config.period * USEC_PER_SEC;
}

int64_t template_last(const struct template *t, int64_t upload)
{
    return instant_of(t, (upload + 1) * t->config.readings - 1);
}

/* xorshift64: values that differ, repeatably; 100.00 … 999.99. */
static void put_value(struct template *t, uint8_t *at)
{
    uint64_t x = t->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    t->random = x;
    unsigned n = (unsigned)(x % 90000) + 10000;
    for (int i = VALUE_LEN - 1; i >= 0; i--) {
        if (i == 3) {
            at[i] = '.';
            continue;
        }
        at[i] = (uint8_t)('0' + n % 10);
        n /= 10;
    }
}

static void fill_records(struct template *t, int64_t upload)
{
    char date[CALTIME_TEXT] = "", code[17];
    int64_t shown = INT64_MIN;
    uint8_t *record = t->xml.data + t->first_record;
    for (int i = 0; i < t->config.readings; i++, record += t->record_len) {
        int64_t reading = upload * t->config.readings + i, ts = instant_of(t, reading);
        if (ts != shown) {
            caltime_format(ts, date);
            shown = ts;
        }
        template_code((int)(reading % t->config.items), code);
        memcpy(record + t->code, code, 16);
        memcpy(record + t->date, date, DATE_LEN);
        put_value(t, record + t->value);
    }
}

static void put_hex(uint8_t *to, const unsigned char bytes[32])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        to[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

RESULT template_fill(struct template *t, int64_t upload, const struct buf **request)
{
    char text[CALTIME_TEXT], number[24];
    unsigned char digest[32];
    *request = &t->request;
    if (upload == t->filled) {
        return RESULT_OK;
    }
    t->random = UINT64_C(0x9e3779b97f4a7c15) ^ ((uint64_t)upload + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    memcpy(t->xml.data + t->upload_date, caltime_format(clock_now(), text), DATE_LEN);
    fill_records(t, upload);
    TRY(envelope_digest(DIGEST_SHA_256, t->xml.data, t->xml.len, digest));
    snprintf(number, sizeof number, "%0*" PRId64, UPLOAD_LEN, upload);
    memcpy(t->request.data + t->number, number, UPLOAD_LEN);
    put_hex(t->request.data + t->digest, digest);
    base64_encode(t->xml.data, t->xml.len, (char *)t->request.data + t->content);
    t->filled = upload;
    return RESULT_OK;
}
