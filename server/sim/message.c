#include "sim/message.h"

#include "base/caltime.h"
#include "payload/datacode.h"

int sim_scope(const char *data_code)
{
    int scope = datacode_scope(data_code);
    return scope ? scope : 1;
}

static void attribute(struct buf *xml, const char *name, const char *value)
{
    buf_printf(xml, " %s=\"", name);
    buf_append_xml(xml, value);
    buf_append_char(xml, '"');
}

void sim_data_begin(struct buf *xml, const struct sim_form *form, int64_t upload_date)
{
    char text[CALTIME_TEXT];
    buf_append_str(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<energyData xmlns=\"urn:nhjc:data:v1\"");
    attribute(xml, "enterpriseCode", form->enterprise);
    attribute(xml, "deviceId", form->device_id);
    attribute(xml, "uploadDate", caltime_format(upload_date, text));
    buf_append_str(xml, ">\n");
}

int sim_data_slot(struct buf *xml, const struct sim_items *items, const struct sim_slot *slot)
{
    int added = 0;
    char date[CALTIME_TEXT];
    caltime_format(slot->ts, date);
    for (size_t i = 0; i < items->count; i++) {
        if (!*slot->cell[i]) {
            continue;
        }
        const char *code = items->at[i].data_code;
        buf_printf(xml, "<data dataCode=\"%s\" statType=\"0\" statDate=\"%s\" dataValue=\"", code, date);
        buf_append_xml(xml, slot->cell[i]);
        buf_printf(xml, "\" inputType=\"4\" scope=\"%d\" valid=\"true\"/>\n", sim_scope(code));
        added++;
    }
    return added;
}

void sim_data_end(struct buf *xml)
{
    buf_append_str(xml, "</energyData>\n");
}

static RESULT seal_bytes(const struct sim_form *form, const void *bytes, size_t n, struct buf *content)
{
    if (form->cipher == CIPHER_NONE) {
        buf_append(content, bytes, n);
        return RESULT_OK;
    }
    if (!form->key_len) {
        return result_error(
            ERR_SENDER, 0,
            "平台注册时未给密钥，无法加密 / encryption needs a secretKey, and the registration gave none");
    }
    return envelope_encrypt(form->cipher, form->key, form->key_len, bytes, n, content);
}

RESULT sim_seal(const struct sim_form *form, const struct buf *xml, char digest[65], struct buf *content)
{
    unsigned char bytes[32];
    TRY(envelope_digest(form->digest_method, xml->data, xml->len, bytes));
    struct buf hex = BUF_INIT;
    buf_append_hex(&hex, bytes, sizeof bytes);
    for (size_t i = 0; i <= hex.len && i < 65; i++) {
        digest[i] = (char)hex.data[i];
    }
    buf_free(&hex);
    if (form->encoding == ENCODING_IDENTITY) {
        return seal_bytes(form, xml->data, xml->len, content);
    }
    struct buf packed = BUF_INIT;
    struct result r = envelope_gzip(xml->data, xml->len, &packed);
    if (result_ok(r)) {
        r = seal_bytes(form, packed.data, packed.len, content);
    }
    buf_free(&packed);
    return r;
}

static void segment(struct buf *xml, const char *name, const char *code, size_t from, size_t len)
{
    buf_printf(xml, " %s=\"%.*s\"", name, (int)len, code + from);
}

static void collect_item(struct buf *xml, const struct sim_item *item, int32_t period)
{
    buf_append_str(xml, "<collectItem");
    attribute(xml, "name", *item->name ? item->name : item->column);
    segment(xml, "processCode", item->data_code, 0, 2);
    segment(xml, "processUnitCode", item->data_code, 2, 2);
    segment(xml, "equipmentCode", item->data_code, 4, 2);
    segment(xml, "equipmentUnitCode", item->data_code, 6, 2);
    segment(xml, "energyClassCode", item->data_code, 8, 2);
    segment(xml, "energyTypeCode", item->data_code, 10, 4);
    segment(xml, "dataUsageCode", item->data_code, 14, 2);
    buf_printf(xml, " inputType=\"4\" statType=\"0\" scope=\"%d\"", sim_scope(item->data_code));
    attribute(xml, "dataCode", item->data_code);
    if (*item->unit) {
        attribute(xml, "unit", item->unit);
    }
    attribute(xml, "aggregation", item->aggregation);
    buf_printf(xml, " period=\"%d\"/>\n", period);
}

void sim_config_document(struct buf *xml, const struct sim_profile *profile, const struct sim_items *items,
                         int32_t period)
{
    buf_append_str(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<enterpriseConfig xmlns=\"urn:nhjc:config:v1\">\n<enterprise");
    attribute(xml, "code", profile->enterprise);
    attribute(xml, "name", profile->name);
    buf_append_str(xml, " typeCode=\"150\" typeName=\"有限责任公司\"");
    attribute(xml, "industryCode", profile->industry);
    attribute(xml, "regionCode", profile->region);
    buf_append_str(xml, " center=\"false\"");
    attribute(xml, "corporationCode", profile->enterprise);
    buf_append_str(
        xml,
        " jgzh=\"false\" energyConsumeLevel=\"3\" latitude=\"30.58\" longitude=\"114.29\" phone=\"027-80000000\"/>\n");
    for (size_t i = 0; i < items->count; i++) {
        collect_item(xml, &items->at[i], period);
    }
    buf_append_str(xml, "</enterpriseConfig>\n");
}
