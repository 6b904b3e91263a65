"""Every code of the contract is in the server's table and is provoked by a test through the real server.

Prints the table code, test file, test; fails for a code without a test and for a table that is not the contract's. What counts: the code
handed to one of the assertions of test/integration/stack.py, as itself, by a test that runs.
    python3 test/style/codes.py [TABLE TESTFILE…]
"""
import ast
import glob
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
# What the interface promises; numbers never change their meaning, so this list only grows.
CONTRACT = {0, 2,
            1101, 1102, 1103, 1104, 1105, 1106, 1107,
            2101, 2102, 2103, 2104, 2105, 2106, 2107, 2108, 2109, 2110, 2111, 2112,
            3101, 3102, 3103, 3104, 3201, 3202, 3203, 3204, 3205, 3206, 3207, 3301, 3302, 3303, 3304, 3401, 3402, 3501,
            9101, 9102}
ASSERTIONS = ('code', 'finding', 'fault', 'refused', 'audited', 'not_now')


def table_of(path):
    with open(path, encoding='utf-8') as file:
        return {int(code) for code in re.findall(r'^    \{(\d+), [A-Z]+, [A-Z]+, ', file.read(), re.M)}


def skipped(node):
    return any(re.search('skip|expectedFailure', ast.unparse(decorator)) for decorator in node.decorator_list)


def provoked(test):
    """The codes that a test asserts: an assertion has its code as first or second argument."""
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'self.skipTest':
            return set()
    return {argument.value for node in ast.walk(test)
            if isinstance(node, ast.Call) and re.fullmatch('self\\.(%s)' % '|'.join(ASSERTIONS), ast.unparse(node.func))
            for argument in node.args[:2] if isinstance(argument, ast.Constant) and type(argument.value) is int}


def tests_of(path):
    with open(path, encoding='utf-8') as file:
        tree = ast.parse(file.read(), path)
    for case in tree.body:
        if isinstance(case, ast.ClassDef) and not skipped(case):
            for test in case.body:
                if isinstance(test, ast.FunctionDef) and test.name.startswith('test') and not skipped(test):
                    yield '%s:%s' % (os.path.basename(path), test.name), provoked(test)


def main(words):
    table = table_of(words[0] if words else os.path.join(TOP, 'server', 'payload', 'finding_table.c'))
    where = {code: [] for code in CONTRACT}
    for path in words[1:] or sorted(glob.glob(os.path.join(TOP, 'test', 'integration', 'test_*.py'))):
        for name, codes in tests_of(path):
            for code in codes & CONTRACT:
                where[code].append(name)
    for code, names in sorted(where.items()):
        print('%-5d %s%s' % (code, ', '.join(names[:2]) or 'NO TEST', ' and %d more' % (len(names) - 2) if len(names) > 2 else ''))
    if table != CONTRACT:
        print('the table of the server and the contract differ in', sorted(table ^ CONTRACT))
    return 0 if table == CONTRACT and all(where.values()) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
