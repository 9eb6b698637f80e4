from signup import buy, wait_for_code


def test_the_code_is_read_from_the_sms(sms_sandbox):
    activation, number = buy(sms_sandbox.endpoint, sms_sandbox.api_key)
    sms_sandbox.send_sms(number, "Your code is 4711. Tell it to nobody.")
    assert wait_for_code(sms_sandbox.endpoint, sms_sandbox.api_key, activation) == "4711"


def test_a_number_without_an_sms_is_refunded(sms_sandbox):
    activation, _ = buy(sms_sandbox.endpoint, sms_sandbox.api_key)
    sms_sandbox.advance(20 * 60)
    assert wait_for_code(sms_sandbox.endpoint, sms_sandbox.api_key, activation) is None
    assert sms_sandbox.ledger.spent == 0


def test_a_purchase_whose_answer_is_lost_is_paid_once(sms_sandbox):
    sms_sandbox.fail_next("purchase", "broken", when="after")
    _, number = buy(sms_sandbox.endpoint, sms_sandbox.api_key)
    assert [order.number for order in sms_sandbox.orders] == [number]
    assert sms_sandbox.ledger.charged == 95
