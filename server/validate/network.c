#include "validate/network.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"

/* ---- identity ---- */

static const struct {
    const char *name;
    size_t offset; /* of the values in struct peer_cert */
    bool uri;
} ATTRIBUTES[] = {
    {"CN", offsetof(struct peer_cert, cn), false},
    {"UID", offsetof(struct peer_cert, uid), false},
    {"OU", offsetof(struct peer_cert, ou), false},
    {"serialNumber", offsetof(struct peer_cert, serial_number), false},
    {"SAN", offsetof(struct peer_cert, san_uri), true},
};

static bool is_platform_code(const char *text)
{
    return strspn(text, "0123456789") == 6 && text[6] == '\0';
}

/* The code in one attribute value: the value itself, of a URI what follows its last ':' or '/'. */
static bool usable(const char *value, bool uri, struct identity *out)
{
    if (uri) {
        const char *cut = value + strlen(value);
        while (cut > value && cut[-1] != ':' && cut[-1] != '/') {
            cut--;
        }
        value = cut;
    }
    bool platform = is_platform_code(value);
    if (!platform && !uscc_valid(value)) {
        return false;
    }
    out->kind = platform ? IDENTITY_PLATFORM : IDENTITY_ENTERPRISE;
    memcpy(out->code, value, strlen(value) + 1); /* 6 or 18 characters */
    return true;
}

static struct result identity_from_values(const struct peer_values *values, const char *name, bool uri,
                                          struct identity *out)
{
    int found = 0;
    if (values->count > PEER_MAX_VALUES) {
        return result_error(ERR_UNAUTHORISED, 1101, "证书中该属性的值过多 / certificate has %d values of %s",
                            values->count, name);
    }
    for (int i = 0; i < values->count; i++) {
        found += values->at[i] && usable(values->at[i], uri, out);
    }
    if (found != 1) {
        return result_error(ERR_UNAUTHORISED, 1101,
                            "证书中的身份代码须恰有一个 / certificate holds %d usable codes in %s", found, name);
    }
    return RESULT_OK;
}

static int attribute_of(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(ATTRIBUTES); i++) {
        if (strlen(ATTRIBUTES[i].name) == len && strncmp(ATTRIBUTES[i].name, name, len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

RESULT identity_from_peer(const struct peer_cert *cert, const char *rule, struct identity *out)
{
    *out = (struct identity){0};
    rule = rule && rule[0] ? rule : "UID,CN";
    for (const char *p = rule; *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ", ");
        int i = attribute_of(p, len);
        if (i < 0) { /* a misspelt rule must not fall through to an attribute nobody meant */
            return result_error(
                ERR_UNAUTHORISED, 1101,
                "identity规则中有不支持的属性 / the identity rule names an attribute that is not supported: %s", rule);
        }
        const struct peer_values *values = (const void *)((const char *)cert + ATTRIBUTES[i].offset);
        if (values->count > 0) {
            return identity_from_values(values, ATTRIBUTES[i].name, ATTRIBUTES[i].uri, out);
        }
        p += len;
    }
    return result_error(ERR_UNAUTHORISED, 1101, "证书中没有所需的身份属性 / certificate has none of %s", rule);
}

/* ---- who may act for whom ---- */

bool region_covers(const char *platform_code, const char *region_code)
{
    if (!is_platform_code(platform_code) || !is_platform_code(region_code)) {
        return false;
    }
    size_t n = 6; /* province, city, county: two digits each, 00 = all of them */
    while (n > 0 && platform_code[n - 1] == '0' && platform_code[n - 2] == '0') {
        n -= 2;
    }
    return memcmp(platform_code, region_code, n) == 0;
}

static const struct {
    bool may_upload;
    const char *zh, *en;
} STATES[] = {
    [UNIT_APPLIED] = {false, "已申请，尚未批准", "applied for, not yet approved"},
    [UNIT_APPROVED] = {false, "已批准，证书尚未签发", "approved, its certificate not yet issued"},
    [UNIT_CERTIFIED] = {true, "已发证", "certified"},
    [UNIT_TESTING] = {true, "测试中", "testing"},
    [UNIT_TRIAL] = {true, "试运行", "trial"},
    [UNIT_ACCEPTED] = {true, "已接入", "accepted"},
    [UNIT_SUSPENDED] = {false, "已停用", "suspended"},
    [UNIT_RETIRED] = {false, "已注销", "retired"},
};

static bool acts_for(const struct identity *id, const struct unit *unit)
{
    return id->kind == IDENTITY_PLATFORM ? region_covers(id->code, unit->region) : strcmp(id->code, unit->code) == 0;
}

/* A lower platform answers for the admission of its own enterprises; ours is only to stop them. */
static bool state_allows(const struct identity *id, const struct unit *unit)
{
    bool admitted_below = id->kind == IDENTITY_PLATFORM && unit->from_platform;
    bool stopped = unit->state == UNIT_SUSPENDED || unit->state == UNIT_RETIRED;
    return STATES[unit->state].may_upload || (admitted_below && !stopped);
}

/* The bound certificate or, for a while after a renewal, the one before it. */
static bool is_either(const struct peer_cert *cert, const char *bound, const char *former, int64_t former_until)
{
    return cert && bound && bound[0] &&
           (strcasecmp(bound, cert->fingerprint) == 0 ||
            (former && former[0] && strcasecmp(former, cert->fingerprint) == 0 && clock_now() < former_until));
}

/* A certificate that names a device goes by that device's binding; without one, and without a name, by the
 * enterprise's. What has no binding of its own is good only where nothing is bound. */
static bool binding_allows(const struct peer_cert *cert, const struct unit *unit)
{
    bool named = cert && cert->device == PEER_DEVICE_NAMED;
    const struct device_binding *own = named ? unit_binding(unit, cert->device_serial) : NULL;
    if (own) {
        return is_either(cert, own->fingerprint, own->former, own->former_until);
    }
    const char *bound = unit->cert_fingerprint;
    bool nothing_bound = !(bound && bound[0]) && unit->binding_count == 0;
    return nothing_bound || is_either(cert, bound, unit->cert_former, unit->cert_former_until);
}

/* What is bound to the enterprise's own certificate and line; a platform has its own. */
static struct result check_binding(const struct peer_cert *cert, const char *peer, const struct unit *unit)
{
    if (!binding_allows(cert, unit)) {
        return result_error(ERR_UNAUTHORISED, 1103,
                            "企业绑定的是另一张证书 / enterprise is bound to another certificate");
    }
    if (!address_allowed(unit->allow, peer)) {
        return result_error(ERR_UNAUTHORISED, 1105,
                            "地址不在该企业的允许范围内 / address is not in the enterprise's allow-list");
    }
    return RESULT_OK;
}

RESULT network_may_upload(const struct identity *id, const struct peer_cert *cert, const char *peer,
                          const struct unit *unit)
{
    if (!unit) {
        return result_error(ERR_UNAUTHORISED, 1104, "企业未准入 / enterprise is not admitted");
    }
    if (!acts_for(id, unit)) {
        return result_error(ERR_UNAUTHORISED, 1103, "该身份无权代表此企业 / identity may not act for this enterprise");
    }
    if (!state_allows(id, unit)) {
        return result_error(ERR_UNAUTHORISED, 1104, "企业%s / enterprise is %s", STATES[unit->state].zh,
                            STATES[unit->state].en);
    }
    return id->kind == IDENTITY_PLATFORM ? RESULT_OK : check_binding(cert, peer, unit);
}

enum device_verdict network_judge_device(const struct peer_cert *cert, const struct unit *unit, const char *serial)
{
    switch (cert->device) {
    case PEER_DEVICE_NONE:
        return unit->device_certificates ? DEVICE_NOT_NAMED : DEVICE_FITS;
    case PEER_DEVICE_NAMED:
        return !serial || strcmp(serial, cert->device_serial) == 0 ? DEVICE_FITS : DEVICE_OTHER;
    default:
        return DEVICE_UNREADABLE;
    }
}

/* ---- addresses ---- */

struct address {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d, so that both compare alike */
};

static bool address_read(const char *text, struct address *out, bool *v4)
{
    unsigned char four[4];
    *v4 = inet_pton(AF_INET, text, four) == 1;
    if (!*v4) {
        return inet_pton(AF_INET6, text, out->bytes) == 1;
    }
    memset(out->bytes, 0, 10);
    memset(out->bytes + 10, 0xFF, 2);
    memcpy(out->bytes + 12, four, 4);
    return true;
}

/* "10.0.0.1:4711", "[::1]:4711", "::1:4711": the port is what follows the last colon. */
static bool peer_address(const char *peer, struct address *out)
{
    char host[64];
    const char *colon = strrchr(peer, ':');
    const char *from = peer[0] == '[' ? peer + 1 : peer;
    const char *end = colon ? colon : peer + strlen(peer);
    end = end > from && end[-1] == ']' ? end - 1 : end;
    bool v4;
    if (end <= from || (size_t)(end - from) >= sizeof host) {
        return false;
    }
    memcpy(host, from, (size_t)(end - from));
    host[end - from] = '\0';
    return address_read(host, out, &v4);
}

static bool prefix_equal(const struct address *a, const struct address *b, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    unsigned char mask = (unsigned char)(0xFF00 >> rest);
    return memcmp(a->bytes, b->bytes, (size_t)whole) == 0 &&
           (rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0);
}

/* The prefix length behind '/', -1 when it is none. */
static int prefix_bits(const char *text, bool v4)
{
    int most = v4 ? 32 : 128, bits = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits]) {
        return -1;
    }
    for (; *text; text++) {
        bits = bits * 10 + (*text - '0');
    }
    return bits > most ? -1 : bits + (v4 ? 96 : 0);
}

/* A malformed entry matches nobody: a typing error closes the door, it does not open it. */
static bool entry_matches(const char *entry, size_t len, const struct address *peer)
{
    char text[64];
    struct address network;
    bool v4;
    if (len >= sizeof text) {
        return false;
    }
    memcpy(text, entry, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
    }
    if (!address_read(text, &network, &v4)) {
        return false;
    }
    int bits = slash ? prefix_bits(slash + 1, v4) : 128;
    return bits >= 0 && prefix_equal(&network, peer, bits);
}

bool address_allowed(const char *allow, const char *peer)
{
    struct address address;
    if (!allow || !allow[strspn(allow, " ")]) {
        return true;
    }
    if (!peer || !peer_address(peer, &address)) {
        return false;
    }
    for (const char *p = allow + strspn(allow, " "); *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (entry_matches(p, len, &address)) {
            return true;
        }
        p += len;
    }
    return false;
}
