"""Codes that need a setting, a past or a broken platform: the rest of contract section 5. style.codes lists them all."""
import contextlib
import subprocess

import nhjc
from nhjc import SLOW
from stack import StackCase, main, wait
from testdata import BASIC, COUNTER, MEAN, PERIOD, POWER, REGISTER, SUM, readings

PART = '0100000002330010'  # process 01, electricity, purchase


class Settings(StackCase):
    """What an operator sets for an enterprise."""

    def set(self, device, assignment):
        """Changes the enterprise's row as an operator would and tells the running server."""
        self.province.sql("UPDATE unit SET %s WHERE code = '%s'; SELECT pg_notify('nhjc_registry', '%s')"
                          % (assignment, device.enterprise, device.enterprise))

    def check(self, device):
        return device.client.call('access', 'CheckVersion', ('deviceId', device.id))

    def refusal(self, device):
        try:
            self.check(device)
        except nhjc.Fault as fault:
            return fault.code
        return None

    def test_an_address_outside_the_allow_list_is_1105(self):
        device = self.stack.device(1701, BASIC)
        self.set(device, "allow_from = '10.1.0.0/16'")
        wait(lambda: self.refusal(device) is not None, 10, what='the allow-list')
        self.fault(1105, self.check, device)
        self.fault(1105, device.upload, readings(POWER, '2018-01-01 00:00', ['1']))
        self.assertGreaterEqual(self.province.number("SELECT count(*) FROM upload_refused WHERE code = 1105 AND sender_code = '%s'" % device.enterprise), 2)
        self.set(device, "allow_from = '10.1.0.0/16, 127.0.0.0/8'")
        wait(lambda: self.refusal(device) is None, 10, what='the longer allow-list')

    def test_a_sudden_jump_is_3204_and_counts(self):
        device = self.stack.device(1702, BASIC)
        self.set(device, 'jump_limit = 10000000')
        records = readings(POWER, '2018-01-01 00:00', ['5', '15', '25.000001', '6'])
        wait(lambda: device.upload(records).all('finding'), 10, what='the limit of jumps')
        answer = self.code(device.upload(readings(POWER, '2018-01-02 00:00', ['5', '15', '25.000001', '6'])), 0)
        self.finding(answer, 3204, 4)
        self.finding(answer, 3204, 5)
        self.counts(answer, 4, stored=4, suspect=2)
        self.province.rolled_up()
        rows = nhjc.query_rows(self.province.client(), [device.enterprise], 'hour', '2018-01-02 00:00:00', '2018-01-02 01:00:00', [POWER])
        self.assertEqual([(row.get('value'), row.get('count')) for row in rows], [('51.000001', '4')], 'suspect values count')

    def test_unchanged_for_too_long_is_3205(self):
        device = self.stack.device(1703, BASIC)
        self.set(device, 'stuck_count = 3')
        wait(lambda: device.upload(readings(POWER, '2018-01-01 00:00', ['7', '7', '7'])).all('finding'), 10, what='the limit of equal readings')
        answer = self.code(device.upload(readings(POWER, '2018-01-02 00:00', ['8', '7', '7', '7', '9'])), 0)
        self.finding(answer, 3205, 5)
        self.counts(answer, 5, stored=5, suspect=1)

    def test_equal_readings_of_two_messages_are_one_row(self):
        device = self.stack.device(1703, BASIC)
        self.set(device, 'stuck_count = 3')
        wait(lambda: device.upload(readings(POWER, '2018-01-01 00:00', ['7', '7', '7'])).all('finding'), 10, what='the limit of equal readings')
        self.assertFalse(device.upload(readings(POWER, '2018-01-03 00:00', ['3', '3'])).all('finding'))
        self.finding(self.code(device.upload(readings(POWER, '2018-01-03 00:30', ['3'])), 0), 3205, 2)

    def test_an_encryption_that_is_not_allowed_for_the_enterprise_is_2105(self):
        device, message_id = self.stack.device(1704, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1'])
        self.code(device.upload(records, message_id), 0)
        self.province.ctl('enterprise', 'thresholds', device.enterprise, '--ciphers', 'SM4-CBC')

        def refused():
            answer = device.upload(readings(POWER, '2018-01-01 00:15', ['2']))
            return answer if answer.number('responseCode') else None
        answer = self.code(wait(refused, 10, what='the list of ciphers'), 2105)
        self.finding(answer, 2105)
        self.counts(answer, 0)
        self.assertEqual(answer.get('uploadId'), '')
        self.assertEqual(self.code(device.upload(records, message_id), 0).get('duplicate'), 'true')  # accepted before: the answer stands
        self.province.ctl('enterprise', 'thresholds', device.enterprise, '--ciphers', 'SM4-CBC,none')
        wait(lambda: device.upload(readings(POWER, '2018-01-01 00:30', ['3'])).number('responseCode') == 0, 10, what='the longer list')

    def test_a_digest_method_that_is_not_allowed_for_the_enterprise_is_2105(self):
        device, message_id = self.stack.device(1705, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1'])
        for method in ('SM3', 'SHA-256'):  # nothing set: both
            self.code(device.upload(records, message_id, method=method), 0)
            message_id = nhjc.new_id()
        first = nhjc.new_id()
        self.code(device.upload(records, first), 0)
        self.province.ctl('enterprise', 'thresholds', device.enterprise, '--digests', 'SM3')

        def answer_of(method, time):
            return device.upload(readings(POWER, '2018-01-01 ' + time, ['2']), method=method)

        def refused():
            answer = answer_of('SHA-256', '00:15')
            return answer if answer.number('responseCode') else None
        answer = self.code(wait(refused, 10, what='the list of digest methods'), 2105)
        message = self.finding(answer, 2105).get('message')
        self.assertIn('摘要算法SHA-256，可用：SM3', message)
        self.assertIn('digestMethod SHA-256 is not allowed for this enterprise, allowed: SM3', message)
        self.assertEqual(answer.get('responseMessage'), message)
        self.counts(answer, 0)
        self.assertEqual(answer.get('uploadId'), '')
        self.counts(self.code(answer_of('SM3', '00:30'), 0), 1, stored=1)
        self.assertEqual(self.code(device.upload(records, first), 0).get('duplicate'), 'true')  # accepted before: the answer stands
        other = self.stack.device(1704, BASIC)  # nobody else's list
        self.province.ctl('enterprise', 'thresholds', other.enterprise, '--ciphers', 'all')
        wait(lambda: other.upload(readings(POWER, '2018-01-03 00:00', ['1'])).number('responseCode') == 0, 10, what='no list of ciphers')
        self.assertEqual(self.province.sql("SELECT digests FROM unit WHERE code = '%s'" % device.enterprise), [['SM3']])
        self.province.ctl('enterprise', 'thresholds', device.enterprise, '--digests', 'all')
        wait(lambda: answer_of('SHA-256', '00:45').number('responseCode') == 0, 10, what='the list lifted')


class Past(StackCase):
    """What a record is held against."""

    def test_more_decimals_than_kept_are_3203_and_rounded(self):
        device = self.stack.device(1710, BASIC)
        answer = self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1', '2.0000005', '3.0000015'])), 0)
        self.finding(answer, 3203, 3)
        self.finding(answer, 3203, 4)
        self.counts(answer, 3, stored=3)
        rows = nhjc.query_rows(self.province.client(), [device.enterprise], 'minute', '2018-01-01 00:00:00', '2018-01-01 01:00:00', [POWER])
        self.assertEqual([row.get('value') for row in rows], ['1', '2', '3.000002'])

    def test_a_negative_quantity_is_3206(self):
        device = self.stack.device(1710, BASIC)
        answer = self.code(device.upload(readings(POWER, '2018-01-02 00:00', ['1', '-0.000001'])), 2)
        self.finding(answer, 3206, 3)
        self.counts(answer, 2, stored=1, rejected=1)

    def test_a_register_that_ran_backwards_is_3207_and_a_rollover_is_not(self):
        device = self.stack.device(1711, [COUNTER])
        answer = self.code(device.upload(readings(REGISTER, '2018-01-01 00:00', ['100', '50', '60'])), 0)
        self.finding(answer, 3207, 3)
        self.counts(answer, 3, stored=3, suspect=1)
        answer = self.code(device.upload(readings(REGISTER, '2018-01-02 00:00', ['999990', '5', '15'])), 0)
        self.assertEqual(answer.all('finding'), [])

    def test_parts_beyond_the_whole_are_3401(self):
        device = self.stack.device(1712, [SUM, MEAN, nhjc.collect_item(PART, 'sum', '炼钢用电', period=PERIOD)])
        whole = readings(POWER, '2018-01-01 00:00', ['10', '10'])
        answer = self.code(device.upload(whole + readings(PART, '2018-01-01 00:00', ['10', '10.5'], scope=2)), 0)
        self.finding(answer, 3401, 3)
        self.counts(answer, 4, stored=4, suspect=1)

    def test_a_reported_day_that_differs_from_the_readings_is_3402(self):
        device = self.stack.device(1713, [SUM, nhjc.collect_item(POWER, 'sum', '日外购电量', stat_type=1, period=PERIOD)])
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['10', '20', '30', '40'])), 0)
        day = [nhjc.reading(POWER, '2018-01-01 00:00:00', value, statType=1) for value in ('101', '120')]
        self.assertEqual(self.code(device.upload(day[:1]), 0).all('finding'), [])
        answer = self.code(device.upload(day[1:]), 0)
        self.finding(answer, 3402, 2)
        self.counts(answer, 1, corrected=1)

    def test_readings_made_up_later_are_held_against_the_reported_day_as_3402(self):
        device = self.stack.device(1714, [SUM, nhjc.collect_item(POWER, 'sum', '日外购电量', stat_type=1, period=PERIOD)])
        self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['10', '20'])), 0)
        self.assertEqual(self.code(device.upload([nhjc.reading(POWER, '2018-01-01 00:00:00', '30', statType=1)]), 0).all('finding'), [])
        self.province.rolled_up()
        answer = self.code(device.upload(readings(POWER, '2018-01-01 00:30', ['40'])), 0)
        found = self.finding(answer, 3402, 2)
        self.assertEqual([found.get(name) for name in ('dataCode', 'statType', 'statDate')], [POWER, '1', '2018-01-01 00:00:00'])
        self.assertIn('此前上报的日值 30 ', found.get('message'))
        self.assertIn('differs from 70, computed with these readings', found.get('message'))
        self.counts(answer, 1, stored=1)
        answer = self.code(device.upload([nhjc.reading(POWER, '2018-01-01 00:30:00', '0')]), 0)
        self.assertEqual(answer.all('finding'), [])


class Versions(StackCase):
    def outdated(self, device, message_id, **versions):
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1']))
        fields = [(name, versions.get(name, value)) for name, value in device.fields(plain, message_id)]
        return device.client.call('access', 'UploadData', *fields)

    def test_an_outdated_version_is_warned_about_with_2108(self):
        device = self.stack.device(1720, BASIC)
        for name in ('regVersion', 'dicVersion'):
            answer = self.code(self.outdated(device, nhjc.new_id(), **{name: '0'}), 0)
            self.finding(answer, 2108)
        self.assertEqual(self.outdated(device, nhjc.new_id()).all('finding'), [])

    def test_the_stored_answer_has_the_warning_too(self):
        device, message_id = self.stack.device(1722, BASIC), nhjc.new_id()
        first = self.code(self.outdated(device, message_id, dicVersion='0'), 0)
        again = self.code(self.outdated(device, message_id, dicVersion='0'), 0)
        self.assertEqual(again.get('duplicate'), 'true')
        words = [[finding.get('message') for finding in answer.all('finding')] for answer in (first, again)]
        self.assertEqual(words[0], words[1])
        self.finding(again, 2108)
        self.assertEqual(self.province.number('SELECT count(*) FROM upload_finding WHERE code = 2108 AND upload_id = %s' % first.get('uploadId')), 1)

    def configuration(self, device):
        """The answer to a configuration that a device made from outdated base data."""
        current, device.dic_version = device.dic_version, '0'
        try:
            return device.configure(BASIC, name='另一名称')
        finally:
            device.dic_version = current

    def test_a_configuration_by_outdated_base_data_is_warned_about(self):
        self.finding(self.code(self.configuration(self.stack.device(1723, BASIC)), 0), 2108)

    def test_base_data_that_is_not_valid_yet_is_3104(self):
        self.province.sql("INSERT INTO base_data (list, code, name, valid_from, dic_version) SELECT 'field', c, c, d, n FROM "
                          "(VALUES ('F01', date '2010-01-01'), ('F02', current_date + 2)) v (c, d), nextval('dic_version_seq') n")
        device = self.stack.device(1725, BASIC)
        for field, code in (('F01', 0), ('F02', 3104)):
            content = nhjc.config(device.enterprise, BASIC).replace(b'<enterprise ', b'<enterprise fieldCode="%s" ' % field.encode())
            self.code(device.configure_with(content), code)


class DemandedVersions(Versions):
    options = 'require_dic_version = true'

    def test_an_outdated_version_is_warned_about_with_2108(self):
        """Where the operator demands it, it is refused, and the messageId stays free."""
        device, message_id = self.stack.device(1721, BASIC), nhjc.new_id()
        answer = self.code(self.outdated(device, message_id, dicVersion='0'), 2108)
        self.counts(answer, 0)
        self.assertEqual(answer.get('uploadId'), '')
        answer = self.code(self.outdated(device, message_id), 0)
        self.counts(answer, 1, stored=1)
        self.assertEqual(answer.get('duplicate'), 'false')

    def test_the_stored_answer_has_the_warning_too(self):
        """Not here: nothing is stored."""

    def test_base_data_that_is_not_valid_yet_is_3104(self):
        """Not here: it is the same."""

    def test_a_configuration_by_outdated_base_data_is_warned_about(self):
        """Where the operator demands it, it is refused."""
        device = self.stack.device(1724, BASIC)
        self.assertEqual(self.code(self.configuration(device), 2108).get('configVersion', ''), '')
        self.assertEqual(self.province.number("SELECT config_version FROM unit WHERE code = '%s'" % device.enterprise), 1)


class Later(StackCase):
    """9xxx: the same message again later, and it is stored once."""

    def not_now(self, code, device, records, message_id):
        """The answer of the upload, however far the platform got."""
        answer = device.upload(records, message_id)
        self.code(answer, code)
        self.counts(answer, 0)

    def again(self, device, records, message_id):
        """As a device does: the same bytes under the same messageId until the platform takes them."""
        def taken():
            answer = device.upload(records, message_id)
            return answer if answer.number('responseCode') < 9000 else None
        answer = wait(taken, 60, every=0.5, what='the end of 9xxx')
        self.code(answer, 0)
        self.assertEqual(self.province.number("SELECT count(*) FROM upload WHERE message_id = '%s'" % message_id), 1)
        return answer


class Busy(Later):
    @contextlib.contextmanager
    def enterprise_locked(self, code):
        """Another session holds the enterprise's lock, as an import that hangs would."""
        text = "SELECT pg_advisory_lock(1, id) FROM unit WHERE code = '%s'; SELECT pg_sleep(120)" % code
        command = ['psql', '-XAtq'] + [word for part in text.split('; ') for word in ('-c', part)]
        holder = subprocess.Popen(command, env=dict(self.stack.env, **self.province.pg), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait(lambda: self.province.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1 AND granted"),
                 10, what='the lock')
            yield
        finally:
            self.province.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(120)%'")
            holder.wait(30 * SLOW)

    def test_a_busy_enterprise_is_9101_and_the_same_message_is_taken_later(self):
        device, message_id = self.stack.device(1730, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', '2'])
        with self.enterprise_locked(device.enterprise):
            self.not_now(9101, device, records, message_id)
        self.counts(self.again(device, records, message_id), 2, stored=2)


class Away(Later):
    """A stack of its own: for a second after a failed attempt nobody tries to reach the database."""
    options = 'database_wait = 29s'

    def test_a_database_that_is_away_is_9102_and_the_same_message_is_taken_later(self):
        device, message_id = self.stack.device(1731, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', '2', '3'])
        self.province.process('stop-db')
        try:
            self.not_now(9102, device, records, message_id)
        finally:
            self.province.process('start-db')
        self.counts(self.again(device, records, message_id), 3, stored=3)


class Ended(StackCase):
    """A stack of its own: a worker that did not notice would answer the other tests."""
    options = 'database_wait = 27s'

    def end_sessions(self, of):
        self.assertGreaterEqual(self.province.number(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = '%s'" % of), 1)

    def test_sessions_that_ended_while_nobody_asked_cost_no_answer(self):
        """As after a restart or a failover at a quiet hour: who asks next does not find out for the platform."""
        device = self.stack.device(1733, BASIC)

        def upload():
            self.counts(self.code(device.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0), 1, stored=1)

        def register():
            self.stack.device(1734, BASIC)

        def question():
            nhjc.query_rows(self.province.client(), [device.enterprise], 'hour', '2018-01-01 00:00:00', '2018-01-01 01:00:00', [POWER])

        question()
        for ask in (register, upload, question):
            self.end_sessions('nhjcd worker')
            ask()
        self.end_sessions('nhjcd query')
        question()


class Full(Later):
    """A stack of its own: health says full for a while afterwards."""
    options = 'database_wait = 28s'

    def test_a_full_database_is_9102_and_told_to_the_operator(self):
        device, message_id = self.stack.device(1732, BASIC), nhjc.new_id()
        records = readings(POWER, '2018-01-01 00:00', ['1', '2'])
        self.province.sql("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                          "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; "
                          "CREATE TRIGGER full_disk BEFORE INSERT ON receipt FOR EACH ROW EXECUTE FUNCTION full_disk()")
        try:
            self.not_now(9102, device, records, message_id)
            health = self.province.ctl('health', check=False)
            self.assertEqual((health.returncode, 'database full' in health.stdout), (1, True), health.stdout)
            self.assertIn('server_in_need sqlstate=53100', self.province.log())
        finally:
            self.province.sql('DROP TRIGGER full_disk ON receipt; DROP FUNCTION full_disk()')
        self.counts(self.again(device, records, message_id), 2, stored=2)


if __name__ == '__main__':
    main()
