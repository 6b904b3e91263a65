#include "net/refusal.h"

#define ROW(name, code)                                                                                                \
    {                                                                                                                  \
        name, code, METRIC(METRIC_COUNTER, "nhjc_tls_refused_total", "reason=\"" name "\"", "handshakes refused")      \
    }

static struct refusal_row rows[REFUSAL_COUNT] = {
    [REFUSAL_NONE] = ROW("none", 0),
    [REFUSAL_CERTIFICATE_REQUIRED] = ROW("certificate_required", 1101),
    [REFUSAL_UNKNOWN_CA] = ROW("unknown_ca", 1101),
    [REFUSAL_WRONG_PURPOSE] = ROW("wrong_purpose", 1101),
    [REFUSAL_WEAK_KEY] = ROW("weak_key", 1101),
    [REFUSAL_CHAIN_TOO_LONG] = ROW("chain_too_long", 1101),
    [REFUSAL_BAD_CERTIFICATE] = ROW("bad_certificate", 1101),
    [REFUSAL_CERTIFICATE_EXPIRED] = ROW("certificate_expired", 1102),
    [REFUSAL_CERTIFICATE_NOT_YET_VALID] = ROW("certificate_not_yet_valid", 1102),
    [REFUSAL_CERTIFICATE_REVOKED] = ROW("certificate_revoked", 1102),
    [REFUSAL_CRL_EXPIRED] = ROW("crl_expired", 1102),
    [REFUSAL_CRL_MISSING] = ROW("crl_missing", 1102),
    [REFUSAL_CRL_INVALID] = ROW("crl_invalid", 1102),
    [REFUSAL_PROTOCOL_VERSION] = ROW("protocol_version", 0),
    [REFUSAL_NO_SHARED_CIPHER] = ROW("no_shared_cipher", 0),
    [REFUSAL_NOT_TLS] = ROW("not_tls", 0),
    [REFUSAL_PEER_ALERT] = ROW("peer_alert", 0),
    [REFUSAL_PEER_LEFT] = ROW("peer_left", 0),
    [REFUSAL_TIMEOUT] = ROW("timeout", 0),
    [REFUSAL_PROTOCOL_ERROR] = ROW("protocol_error", 0),
};

struct refusal_row *refusal_row(enum refusal why)
{
    return &rows[why];
}
