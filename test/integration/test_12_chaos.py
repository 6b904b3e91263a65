"""Load on a province with an upper platform while servers and databases of both are killed at random moments.

Afterwards every acknowledged reading is on both, once; both frames are equal; nothing is parked; rollups equal a recomputation.
NHJC_CHAOS_SECONDS (default 20, 60 under a sanitizer) and NHJC_CHAOS_SEED choose length and moments; the seed is printed."""
import json
import os
import random
import signal
import subprocess
import time

from nhjc import SANITIZED
from stack import BUILD, StackCase, main, run, wait

SIM = os.path.join(BUILD, 'bin', 'nhjc-sim')
STORED = 'SELECT coalesce(sum(cardinality(value) - cardinality(array_positions(value, NULL))), 0) FROM reading_frame'
CONTENT = ("SELECT md5(string_agg(unit.code || page || ts || value::text || coalesce(flag::text, ''), ',' ORDER BY unit.code, page, ts)) "
           "FROM reading_frame f JOIN unit ON unit.id = f.unit_id")
UNSENT = ("SELECT (SELECT count(*) FROM outbox WHERE message IS NULL) + "
          "(SELECT count(*) FROM fep_message WHERE state IN ('leased', 'waiting'))")


class Chaos(StackCase):
    upper = True

    def start_load(self):
        """Goes on until it is told to stop."""
        codes = run(SIM, '--print-enterprises', 6).stdout.split()
        for code in codes:
            self.province.ctl('enterprise', 'admit', code, '--name', '负载', '--region', '420100', '--industry', 'C3120')
            self.province.ctl('pki', 'issue', '--enterprise', code, '--out', self.province.pki)
        return subprocess.Popen([SIM, '--load', '--url', self.province.url, '--ca', self.stack.env['NHJC_CA'], '--pki', self.province.pki, '--devices', '6',
                                 '--items', '30', '--per-upload', '60', '--parallel', '6', '--seconds', '3600', '--from', '2016-01-01', '--rate', '100'],
                                stdout=subprocess.PIPE, text=True)

    def kill_at_random(self, load, dice, seconds):
        """For so long, and until there were some kills: a busy machine needs its time for each."""
        wait(lambda: self.province.number('SELECT count(*) FROM upload'), 60, what='the first upload')
        kills, end = 0, time.monotonic() + seconds
        while time.monotonic() < end or kills < 3:
            self.assertIsNone(load.poll(), 'the load ended by itself')
            time.sleep(dice.uniform(0.2, 3))  # the moment is the point
            platform, what = dice.choice(self.stack.platforms()), dice.choice(('server', 'server', 'db'))
            platform.process('kill-' + what)
            time.sleep(dice.uniform(0, 0.5))
            platform.process('start-' + what)
            kills += 1

    def test_nothing_acknowledged_is_lost_or_doubled(self):
        seed = int(os.environ.get('NHJC_CHAOS_SEED') or random.randrange(10000))
        print('seed', seed)
        load = self.start_load()
        try:
            self.kill_at_random(load, random.Random(seed), int(os.environ.get('NHJC_CHAOS_SECONDS') or (60 if SANITIZED else 20)))
            load.send_signal(signal.SIGTERM)
            result = json.loads(load.communicate()[0])
        finally:
            if load.poll() is None:
                load.kill()
                load.communicate()
        self.assertEqual([e for e in result['errors'] if 0 < e['code'] < 9000], [], 'refused although nothing was wrong')
        self.province.rolled_up()
        wait(lambda: self.province.number(UNSENT) == 0, 120, what='the end of the outbox')
        self.stack.upper.rolled_up()
        self.assertEqual(self.province.sql("SELECT id, response_code, response_text FROM fep_message WHERE state = 'parked'"), [])
        below, above = [platform.number(STORED) for platform in self.stack.platforms()]
        # the last uploads may have been stored without their answer getting through
        self.assertIn(below - result['stored'], range(0, 6 * 60 + 1, 60), result)
        self.assertEqual(above, below)
        self.assertEqual(self.stack.upper.sql(CONTENT), self.province.sql(CONTENT))
        for platform in self.stack.platforms():
            self.assertEqual(platform.sql('SELECT sum(stored) FROM upload'), [[str(below)]])
            self.assertEqual(platform.sql('SELECT count(*) FROM correction'), [['0']])
            platform.verified()


if __name__ == '__main__':
    main()
