/* url: the parts of an https URL.
 * Owner: url_free. Errors: SENDER (the operator's text). Thread: one at a time. */
#ifndef NHJC_NET_URL_H
#define NHJC_NET_URL_H

#include <stdbool.h>

#include "base/result.h"

struct url {
    char *host;      /* without brackets */
    char *port;      /* digits; "443" when absent */
    char *path;      /* with its query; "/" when absent */
    char *authority; /* as for the Host header: with brackets, port unless 443 */
    bool is_address; /* host is an IPv4 or IPv6 address */
};

RESULT url_parse(const char *text, struct url *url);
void url_free(struct url *url);

#endif
