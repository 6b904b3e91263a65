"""Too many requests (1106), and a device's clock ahead of the platform's (2110)."""
import datetime

import nhjc
from stack import StackCase, main
from testdata import BASIC, POWER, readings


class Rate(StackCase):
    options = 'rate_per_minute = 20'

    def test_too_many_requests_are_1106_and_others_are_served(self):
        device = self.stack.device(90, BASIC)
        served = 0

        def ask():
            nonlocal served
            for _ in range(40):
                self.code(device.client.call('access', 'CheckVersion', ('deviceId', device.id)), 0)
                served += 1
        self.fault(1106, ask, status=429)
        self.assertTrue(10 <= served <= 25, served)
        other = self.stack.device(91, BASIC)
        self.code(other.upload(readings(POWER, '2018-01-01 00:00', ['1'])), 0)
        self.assertTrue(self.province.number("SELECT count(*) FROM upload_refused WHERE code = 1106 AND sender_code = '%s'"
                                             % device.enterprise) >= 1)


class Clock(StackCase):
    def send(self, device, date):
        plain = nhjc.data(device.enterprise, device.id, readings(POWER, '2018-01-01 00:00', ['1']), upload_date=date)
        return device.send(plain)

    def test_an_upload_date_ahead_is_warned_about_and_an_old_one_is_not(self):
        device = self.stack.device(92, BASIC)
        ahead = (datetime.datetime.utcnow() + datetime.timedelta(hours=8, minutes=30)).strftime('%Y-%m-%d %H:%M:%S')
        answer = self.code(self.send(device, ahead), 0)
        self.finding(answer, 2110, severity='warning')
        answer = self.code(self.send(device, '2018-01-01 00:20:00'), 0)
        self.assertFalse(answer.all('finding'))


if __name__ == '__main__':
    main()
