/* nhjcd: stays in the foreground; a service manager or etc/stack.sh puts it where it belongs. */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "payload/finding.h"

static int usage(FILE *out, int code)
{
    fputs("nhjcd " NHJC_VERSION "  省级平台服务器 / provincial platform server\n"
          "用法 / usage: nhjcd -c CONF      (样例 / sample: nhjcctl config sample)\n",
          out);
    return code;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("nhjcd " NHJC_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return usage(stdout, 0);
    }
    if (argc != 3 || (strcmp(argv[1], "-c") != 0 && strcmp(argv[1], "--config") != 0)) {
        return usage(stderr, 2);
    }
    struct app *app;
    struct result r = app_start(argv[2], &app);
    if (!result_ok(r)) {
        struct arena *a = arena_new(0);
        fprintf(stderr, "nhjcd: 启动失败 / cannot start: %s\n", result_message(a, r));
        arena_free(&a);
        return 1;
    }
    app_run(app);
    app_stop(&app);
    return 0;
}
