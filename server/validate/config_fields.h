/* config_fields: which elements and attributes a configuration may hold (contract section 3), as rows.
 *
 * For:    config_check here, and whoever shows or exports objects by their fields. schema/config.xsd states the same
 *         in XML Schema; test_config.c holds the two against each other.
 * Source: national field list, meters and equipment also after the Yunnan one; the rows on collect items beyond the
 *         national fields are the contract's.
 * Thread: any thread; constant. */
#ifndef NHJC_VALIDATE_CONFIG_FIELDS_H
#define NHJC_VALIDATE_CONFIG_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_TEXT,       /* min..max characters; max 0: no bound of its own */
    FIELD_DIGIT,      /* one digit from min to max */
    FIELD_DIGITS,     /* exactly max digits */
    FIELD_BOOLEAN,    /* true, false, 1, 0 */
    FIELD_INTEGER,    /* min..max */
    FIELD_DECIMAL,    /* decimal number without exponent */
    FIELD_CODE,       /* 16 digits or dashed; judged as 3102, not here */
    FIELD_AGGREGATION /* sum, mean, counter */
};

struct field_row {
    const char *name;
    enum field_type type;
    int32_t min, max;
    bool required;
};

struct element_row {
    const char *name;
    const struct field_row *fields;
    size_t field_count;
    size_t most; /* how many of them a document may hold; 0: any number */
    bool required;
};

/* In the order in which they must stand in a document. */
const struct element_row *config_elements(size_t *count);
/* The element's place in that order, -1: no such element. */
int config_element(const char *name);
const struct field_row *config_field(const struct element_row *element, const char *name); /* NULL: none */
/* Is the value of the row's type and length? */
bool config_value_fits(const struct field_row *field, const char *value);

/* Readers of values that fit: outer blanks, as XML Schema allows them for numbers, are stepped over. */
int32_t config_integer(const char *value);
/* Scaled by 10^6; beyond +-10^12 it is cut to that. */
int64_t config_decimal(const char *value);
int config_aggregation(const char *value); /* enum aggregation, -1: none of them */

#endif
