"""What goes wrong around a request: a COMMIT whose answer is lost, a socket that is reset, certificates exchanged, too many at once."""
import os
import shutil
import signal
import socket
import ssl
import struct
import threading

import nhjc
from nhjc import SLOW
from stack import StackCase, main, run, wait
from testdata import BASIC, POWER, readings


class Background(threading.Thread):
    """Runs a call; result() gives what it gave."""

    def __init__(self, call, *words, **more):
        super().__init__(daemon=True)
        self.call, self.words, self.more, self.value, self.error = call, words, more, None, None
        self.start()

    def run(self):
        try:
            self.value = self.call(*self.words, **self.more)
        except Exception as error:  # told by result()
            self.error = error

    def result(self):
        self.join(60 * SLOW)
        if self.error:
            raise self.error
        return self.value


class Lost(StackCase):
    def receipts(self, message_id):
        return self.province.number("SELECT count(*) FROM upload WHERE message_id = '%s'" % message_id)

    def until_taken(self, device, records, message_id):
        def taken():
            answer = device.upload(records, message_id)
            return answer if answer.number('responseCode') < 9000 else None
        return wait(taken, 60, what='the end of 9xxx')

    def test_a_commit_whose_answer_is_lost_is_known_all_the_same(self):
        """Committed, but the connection ends before the database says so: the platform must look, not guess."""
        device, message_id = self.stack.device(2100, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', 'x', '3'])
        self.code(device.upload(readings(POWER, '2018-01-02 00:00', ['1'])), 0)  # what a first upload makes is there
        self.province.rolled_up()
        self.province.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        self.province.sql('SELECT pg_reload_conf()')
        waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'nhjcd worker' AND query = 'COMMIT'"
        try:
            sent = Background(device.upload, records, message_id, client=self.province.client(device.enterprise))
            wait(lambda: self.province.number('SELECT count(*) ' + waiting), 30, what='the wait for nobody')
            self.province.sql('SELECT pg_terminate_backend(pid) ' + waiting)
            wait(lambda: self.receipts(message_id) == 1, 30, what='the receipt')
        finally:
            self.province.sql('ALTER SYSTEM RESET synchronous_standby_names')
            self.province.sql('SELECT pg_reload_conf()')
        answer = sent.result()
        self.assertIn(answer.get('responseCode'), ('2', '9101', '9102'))  # known, or honestly not
        again = self.code(self.until_taken(device, records, message_id), 2)
        self.assertEqual(again.get('duplicate'), 'true')
        self.counts(again, 3, stored=2, rejected=1)
        self.finding(again, 3201, 3)
        if answer.get('responseCode') == '2':
            self.counts(answer, 3, stored=2, rejected=1)
        self.assertEqual(self.receipts(message_id), 1)
        self.province.rolled_up()
        self.province.verified('--enterprise', device.enterprise)

    def test_a_socket_reset_behind_the_request_does_not_undo_it(self):
        device, message_id = self.stack.device(2101, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', 'x', '3', '4'])
        body = nhjc.envelope(nhjc.operation('access', 'UploadData', device.fields(nhjc.data(device.enterprise, device.id, records), message_id)))
        with self.province.held('upload'):
            connection = self.province.client(device.enterprise).connect()
            connection.request('POST', '/services/access', body, {'Content-Type': 'text/xml; charset=utf-8', 'SOAPAction': '""'})
            wait(lambda: self.province.waits_for('upload'), 30, what='the upload in the database')
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.close()
        wait(lambda: self.receipts(message_id) == 1, 30, what='the receipt')
        again = self.code(device.upload(records, message_id), 2)
        self.assertEqual(again.get('duplicate'), 'true')
        self.counts(again, 4, stored=3, rejected=1)
        self.assertEqual(self.receipts(message_id), 1)


class Reload(StackCase):
    """SIGHUP while clients work: their connections go on, new ones are judged by the new files."""

    def server_serial(self, client):
        with socket.create_connection((client.parts.hostname, client.parts.port), timeout=30 * SLOW) as plain:
            with client.context.wrap_socket(plain, server_hostname=client.parts.hostname) as tls:
                return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))

    def accepted(self, client):
        try:
            return client.get('/services/access?wsdl')[0] == 200
        except (OSError, nhjc.http.client.HTTPException):
            return False
        finally:
            client.close()

    def foreign(self, name):
        """A client whose CA the platform does not know yet, and that CA's files."""
        out = os.path.join(self.stack.dir, 'foreign')
        os.makedirs(out)
        with open(os.path.join(out, 'ca.conf'), 'w') as file:
            file.write('pki_dir = %s/pki\ndatabase = host=/nonexistent\n' % out)
        ctl = [os.path.join(os.path.dirname(self.stack.simulator(name)[0]), 'nhjcctl'), '-c', file.name, 'pki']
        run(*ctl, 'init')
        run(*ctl, 'issue', '--enterprise', name, '--out', out)
        return nhjc.Client(self.province.url, self.stack.env['NHJC_CA'], os.path.join(out, name + '.pem'), os.path.join(out, name + '.key')), os.path.join(out, 'pki')

    def exchange_files(self, pki):
        """Another server certificate, one CA more with its CRL, one enterprise revoked."""
        new = os.path.join(self.stack.dir, 'new')
        self.province.ctl('pki', 'issue', '--server', '127.0.0.1', '--out', new)
        for suffix in ('.pem', '.key'):
            shutil.copy(os.path.join(new, '127.0.0.1' + suffix), os.path.join(self.province.pki, 'province' + suffix))
        ca = os.path.dirname(self.stack.env['NHJC_CA'])
        self.province.ctl('pki', 'revoke', nhjc.uscc(2111))
        for name in ('ca.pem', 'crl.pem'):
            with open(os.path.join(pki, name)) as more, open(os.path.join(ca, name), 'a') as file:
                file.write(more.read())

    def test_certificates_are_exchanged_under_load(self):
        device, known, revoked = self.stack.device(2110, BASIC), self.province.client(self.stack.enterprise(2112)), self.province.client(self.stack.enterprise(2111))
        stranger, pki = self.foreign(self.stack.enterprise(2113))
        self.assertEqual([self.accepted(client) for client in (known, revoked, stranger)], [True, True, False])
        before, over, calls = self.server_serial(known), threading.Event(), [0]
        kept = device.client.connect().sock

        def work():
            while not over.is_set():
                device.client.call('access', 'CheckVersion', ('deviceId', device.id))
                self.assertIs(device.client.connection.sock, kept)
                calls[0] += 1
        worker = Background(work)
        try:
            self.exchange_files(pki)
            with open(os.path.join(self.stack.dir, 'province', 'pid')) as file:
                os.kill(int(file.read()), signal.SIGHUP)
            wait(lambda: self.server_serial(known) != before, 30, what='the new certificate')
            self.assertEqual([self.accepted(client) for client in (known, revoked, stranger)], [True, False, True])
            goal = calls[0] + 10
            wait(lambda: calls[0] >= goal or not worker.is_alive(), 30, what='more calls on the old connection')
        finally:
            over.set()
        worker.result()


class Overload(StackCase):
    options = 'workers = 1\nmax_inflight = 1'
    CLIENTS = 6

    def test_more_than_can_wait_are_told_when_to_come_again(self):
        device = self.stack.device(2120, BASIC)
        clients = [self.province.client(device.enterprise) for _ in range(self.CLIENTS)]
        uploads = [readings(POWER, '2018-01-%02d 00:00' % (n + 1), ['1', '2']) for n in range(self.CLIENTS)]
        answers = [None] * self.CLIENTS

        def send(n):
            plain = nhjc.data(device.enterprise, device.id, uploads[n])
            body = nhjc.envelope(nhjc.operation('access', 'UploadData', device.fields(plain, 'overload-%d' % n)))
            answers[n] = clients[n].post('access', body, 'UploadData')
        for client in clients:
            client.connect()
        with self.province.held('upload'):
            threads = [Background(send, 0)]
            wait(lambda: self.province.waits_for('upload'), 30, what='the only worker to be busy')
            threads += [Background(send, n) for n in range(1, self.CLIENTS)]
            wait(lambda: sum(a is not None for a in answers) == self.CLIENTS - 2, 30, what='all but one to be sent away')
            for status, headers, _ in [a for a in answers if a]:
                self.assertEqual(status, 503)
                self.assertGreater(int(headers['Retry-After']), 0)
            self.assertIsNone(answers[0])
        for thread in threads:
            thread.result()
        self.assertEqual(sorted(status for status, _, _ in answers), [200] * 2 + [503] * (self.CLIENTS - 2))
        for n, records in enumerate(uploads):
            again = self.code(device.upload(records, 'overload-%d' % n), 0)
            self.assertEqual(again.get('duplicate'), 'true' if answers[n][0] == 200 else 'false')
            self.counts(again, 2, stored=2)


if __name__ == '__main__':
    main()
