#include "sim/device_state.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

void device_state_write(const struct device_state *state, struct buf *out)
{
    buf_printf(out, "deviceId=%s\nregVersion=%s\ndicVersion=%s\n", state->device_id, state->reg_version,
               state->dic_version);
    if (state->secret_key[0]) {
        buf_printf(out, "secretKey=%s\n", state->secret_key);
    }
}

static void take_line(const char *line, size_t len, struct device_state *state)
{
    const struct {
        const char *key;
        char *to;
        size_t size;
    } rows[] = {
        {"deviceId=", state->device_id, sizeof state->device_id},
        {"regVersion=", state->reg_version, sizeof state->reg_version},
        {"dicVersion=", state->dic_version, sizeof state->dic_version},
        {"secretKey=", state->secret_key, sizeof state->secret_key},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].key);
        if (len > n && strncmp(line, rows[i].key, n) == 0) {
            snprintf(rows[i].to, rows[i].size, "%.*s", (int)(len - n), line + n);
        }
    }
}

bool device_state_read(const struct buf *text, struct device_state *state)
{
    *state = (struct device_state){0};
    for (const char *p = buf_str(text); *p;) {
        size_t n = strcspn(p, "\n");
        take_line(p, n, state);
        p += n + (p[n] ? 1 : 0);
    }
    return state->device_id[0] != '\0';
}

unsigned device_state_key(const struct device_state *state, unsigned char key[16])
{
    return strlen(state->secret_key) == 32 && hex_decode(state->secret_key, 32, key) ? 16 : 0;
}
