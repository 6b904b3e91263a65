"""codes.py finds what it must find: planted tests that provoke nothing, and a table with a code too few."""
import contextlib
import io
import os
import sys
import tempfile

import codes

NOTHING = '''
class A(StackCase):
    def test_a_number_elsewhere_in_the_line(self): self.counts(self.code(answer, expected), 1101); self.code(ask(1102), x)
    def test_as_a_text(self): self.code(answer, '1103')
    def helper(self): self.code(answer, 1104)
    @unittest.skip('x')
    def test_skipped(self): self.code(answer, 1105)
    def test_skips_itself(self):
        self.skipTest('x')
        self.code(answer, 1106)
    def test_in_a_list(self): self.assertIn(code, (1107, 2101))
@unittest.skipIf(True, 'x')
class B(StackCase):
    def test_of_a_skipped_class(self): self.fault(2102, call)
'''
EVERYTHING = 'class C(StackCase):\n    def test_all(self):\n' + ''.join('        self.code(answer, %d)\n' % code for code in sorted(codes.CONTRACT))


def judged(folder, tests, table):
    paths = [os.path.join(folder, name) for name in ('table.c', 'test_planted.py')]
    for path, text in zip(paths, (''.join('    {%d, ERROR, X, "x"},\n' % code for code in table), tests)):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = codes.main(paths)
    return status, said.getvalue().count('NO TEST')


with tempfile.TemporaryDirectory() as scratch:
    seen = [judged(scratch, NOTHING, codes.CONTRACT), judged(scratch, EVERYTHING, codes.CONTRACT), judged(scratch, EVERYTHING, codes.CONTRACT - {3401})]
expected = [(1, len(codes.CONTRACT)), (0, 0), (1, 0)]
print('seen %s, expected %s' % (seen, expected))
sys.exit(seen != expected)
