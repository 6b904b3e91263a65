/* embedded: the SQL files of sql/ as they were when the program was built (embed_sql.cmake). */
#ifndef NHJC_DB_EMBEDDED_H
#define NHJC_DB_EMBEDDED_H

#include <stddef.h>

struct embedded_sql {
    int number;         /* of a step; 0: replaceable text */
    const char *name;   /* file name without ending */
    const char *digest; /* SHA-256, hex */
    const char *text;
};

/* Steps in ascending order of number, then replaceable text in order of name. */
extern const struct embedded_sql EMBEDDED_SQL[];
extern const size_t EMBEDDED_SQL_COUNT;

#endif
