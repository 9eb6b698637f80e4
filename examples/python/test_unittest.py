import unittest

from signup import buy, wait_for_code

from proxy.testing import Sandbox


class SignUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(Sandbox())

    def setUp(self):
        self.sandbox.reset()

    def test_the_code_is_read_from_the_sms(self):
        endpoint, key = self.sandbox.endpoint, self.sandbox.api_key
        activation, number = buy(endpoint, key)
        self.sandbox.send_sms(number, "Your code is 4711")
        self.assertEqual(wait_for_code(endpoint, key, activation), "4711")


if __name__ == "__main__":
    unittest.main()
