"""Readings as files: nhjcctl import and the server's spool folder."""
import gzip
import json
import os
import re
import zipfile

import nhjc
from stack import StackCase, main, wait
from testdata import BASIC, POWER, readings


class Files(StackCase):
    options = 'import_dir = {folder}/spool'

    def setUp(self):
        self.device = self.stack.device(70, BASIC)
        self.folder = os.path.join(self.stack.dir, 'files')
        self.spool = os.path.join(self.stack.dir, 'spool')
        os.makedirs(self.folder, exist_ok=True)

    def xml(self, start, values):
        return nhjc.data(self.device.enterprise, self.device.id, readings(POWER, start, values))

    def write(self, name, content, folder=None):
        path = os.path.join(folder or self.folder, name)
        with open(path + '.part', 'wb') as f:
            f.write(content)
        os.rename(path + '.part', path)
        return path

    def result(self, path):
        with open(path + '.result.txt', encoding='utf-8') as f:
            return f.read()

    def values(self, start, end):
        rows = nhjc.query_rows(self.province.client(), [self.device.enterprise], 'minute', start, end, [POWER])
        return [row.get('value') for row in rows]

    def listed(self):
        """How many readings the enterprise's uploads stored, by what the operator is shown."""
        uploads = json.loads(self.province.ctl('upload', 'list', '--enterprise', self.device.enterprise, '--json').stdout)
        return sum(int(upload['stored']) for upload in uploads)

    def test_xml_gzip_and_zip_are_taken_and_a_repetition_changes_nothing(self):
        plain = self.write('a.xml', self.xml('2018-03-01 00:00', ['1', '2']))
        packed = self.write('b.xml.gz', gzip.compress(self.xml('2018-03-01 00:30', ['3'])))
        archive = os.path.join(self.folder, 'c.zip')
        with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as z:
            z.writestr('one.xml', self.xml('2018-03-01 00:45', ['4']))
            z.writestr('sub/two.xml', self.xml('2018-03-01 01:00', ['5']))
        before = self.listed()
        said = self.province.ctl('import', plain, packed, archive).stdout
        self.assertIn('stored 5', said)
        self.assertEqual(self.listed() - before, 5, 'uploads by file are the enterprise\'s too')
        audited = self.province.sql("SELECT detail FROM audit_log WHERE action = 'import' ORDER BY at DESC LIMIT 1")
        self.assertEqual(audited, [['3 files, 4 documents, 0 refused; 5 received, 5 stored, 0 corrected, 0 rejected']])
        self.assertEqual(self.values('2018-03-01 00:00:00', '2018-03-01 02:00:00'), ['1', '2', '3', '4', '5'])
        self.assertIn('sub/two.xml', self.result(archive))
        again = self.province.ctl('import', plain, packed, archive).stdout
        self.assertIn('stored 0', again)
        self.assertIn('duplicate', self.result(plain))
        self.province.verified()

    def test_findings_stand_beside_the_file_with_their_line(self):
        path = self.write('bad.xml', self.xml('2018-03-02 00:00', ['1', 'x']))
        self.assertEqual(self.province.ctl('import', path, check=False).returncode, 0)
        self.assertRegex(self.result(path), r'3201 错误 error 行 line \d+')
        self.assertEqual(self.values('2018-03-02 00:00:00', '2018-03-03 00:00:00'), ['1'])

    def test_broken_files_are_told_and_change_nothing(self):
        before = self.province.number('SELECT count(*) FROM receipt')
        for name, content, code in (('t.xml', self.xml('2018-03-03 00:00', ['1'])[:-20], '2101'), ('t.gz', b'\x1f\x8bnothing', '2106'),
                                    ('t.zip', b'PK\x03\x04nothing', '2106'), ('u.xml', b'<x/>', '2103')):
            path = self.write(name, content)
            self.assertEqual(self.province.ctl('import', path, check=False).returncode, 1)
            self.assertIn(code, self.result(path))
        self.assertEqual(self.province.number('SELECT count(*) FROM receipt'), before)

    def test_the_spool_folder_sorts_files_into_done_and_broken(self):
        good = self.write('1.xml', self.xml('2018-03-04 00:00', ['7']), self.spool)
        bad = self.write('2.xml', b'nothing', self.spool)
        wait(lambda: not os.path.exists(good) and not os.path.exists(bad + '.result.txt') and not os.path.exists(bad), what='the spool is emptied')
        wait(lambda: os.path.exists(os.path.join(self.spool, 'done', '1.xml.result.txt')), what='the result is moved')
        wait(lambda: os.path.exists(os.path.join(self.spool, 'broken', '2.xml.result.txt')), what='the result is moved')
        self.assertEqual(self.values('2018-03-04 00:00:00', '2018-03-05 00:00:00'), ['7'])

    def failures(self):
        return int(re.search(r'^nhjc_import_failures_total (\d+)$', self.province.ctl('metrics').stdout, re.M).group(1))

    def test_a_file_that_cannot_be_read_stops_no_other(self):
        """First in the folder's order, and every read of it fails."""
        bad = os.path.join(self.spool, '0.xml')
        os.symlink('/proc/self/mem', bad)
        try:
            good = self.write('3.xml', self.xml('2018-03-06 00:00', ['8']), self.spool)
            wait(lambda: not os.path.exists(good), what='the file behind it is taken')
            wait(lambda: self.values('2018-03-06 00:00:00', '2018-03-07 00:00:00') == ['8'], what='its readings')
            self.assertTrue(os.path.lexists(bad))
            wait(lambda: self.failures() >= 2, 60, what='further looks at the file')
            self.assertEqual(self.province.log().count('import file_failed'), 1)  # told once, counted each time
            os.unlink(bad)
            os.symlink('/proc/self/mem', bad)  # another file of this name
            wait(lambda: self.province.log().count('import file_failed') == 2, 90, what='the other file to be told')
        finally:
            os.unlink(bad)

    def test_files_of_one_name_are_all_kept(self):
        done = os.path.join(self.spool, 'done')
        contents = [self.xml('2018-03-0%d 00:00' % day, [str(day)]) for day in (7, 8, 9)]
        for content in contents:
            path = self.write('same.xml', content, self.spool)
            wait(lambda: not os.path.exists(path) and not os.path.exists(path + '.result.txt'), what='the spool is emptied')
        kept = sorted(name for name in os.listdir(done) if name.startswith('same.xml') and not name.endswith('.result.txt'))
        self.assertEqual(len(kept), 3)
        found = []
        for name in kept:
            with open(os.path.join(done, name), 'rb') as file:
                found.append(file.read())
            self.assertIn('stored 1', self.result(os.path.join(done, name)))
        self.assertEqual(sorted(found), sorted(contents))


if __name__ == '__main__':
    main()
