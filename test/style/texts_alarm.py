"""texts.py finds what it must find: each line of BAD is named, no line of GOOD."""
import contextlib
import io
import os
import sys
import tempfile

import texts

BAD = '''
return result_error(ERR_SENDER, 2103, "pageSize is not within 1 and %d", MOST);
return result_error(kind ? ERR_LIMIT : ERR_INTERNAL, 0, "too much");
return result_error(ERR_SENDER, 0, "first English / 后中文");
return result_error(ERR_SENDER, 0, "只有中文 and no stroke");
return db_fail_own(db, ERR_CONFLICT, 0, "taken");
finding_add(f, 2103, arena_printf(a, "%s is wrong (%s)", name(")"), x), "so it is");
return OBJECT(2101, "English", "English again");
'''
GOOD = '''
return result_error(ERR_SENDER, 2103, "pageSize须在1与%d之间 / pageSize is not within 1 and %d", MOST, MOST);
return result_error(ERR_INTERNAL, 0, "no memory");
return result_error(ERR_SENDER, 0, "%s:%d: %s", path, line, r.text);
return OBJECT(2101, "不是XML", "not XML");
finding_add(f, 2103, arena_printf(a, "dataCode“%s”", x), arena_printf(a, "dataCode \\"%s\\"", x));
log_write(LOG_INFO, "soap", "refused", "code=%d", code);
'''


def judged(folder, source):
    path = os.path.join(folder, 'planted.c')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(source)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = texts.main([path])
    return status, said.getvalue().count('\n')


with tempfile.TemporaryDirectory() as scratch:
    seen = [judged(scratch, BAD), judged(scratch, GOOD)]
expected = [(1, len(BAD.strip().split('\n'))), (0, 0)]
print('seen %s, expected %s' % (seen, expected))
sys.exit(seen != expected)
