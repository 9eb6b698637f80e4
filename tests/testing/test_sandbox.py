"""proxy.testing: what a test does with the sandbox, and what comes of it."""

import os
import socket
import sys
import threading

import httpx
import pytest

from proxy.testing import Sandbox, SandboxError, Sms

HOLD, LIFETIME = 120, 1200


def test_a_sent_sms_is_there_when_the_call_returns(sms_sandbox, program):
    id, number = program.buy()
    assert program.ask("getStatus", id=id) == "STATUS_WAIT_CODE"
    sms_sandbox.send_sms(number, "Your code is 4711", sender="Shop")
    assert program.ask("getStatus", id=id) == "STATUS_OK:4711"
    (order,) = sms_sandbox.orders
    assert order.messages == (Sms("Shop", "Your code is 4711"),)
    assert (order.number, order.service, order.country) == (number, "tg", "GB")
    assert order.status == "completed" and not order.refunded


def test_a_number_is_waited_for_until_a_program_has_bought_it(sms_sandbox, program):
    buyer = threading.Thread(target=program.buy)
    buyer.start()
    number = sms_sandbox.wait_for_number()
    buyer.join()
    assert [order.number for order in sms_sandbox.orders] == [number]


def test_each_number_is_waited_for_once_and_the_oldest_first(sms_sandbox, program):
    bought = [program.buy()[1] for _ in range(3)]
    assert [sms_sandbox.wait_for_number() for _ in bought] == bought
    with pytest.raises(SandboxError, match=r"no program bought a number in 0 s: all 3 requests"):
        sms_sandbox.wait_for_number(0)


def test_without_a_call_no_sms_comes(sms_sandbox, program):
    id, _ = program.buy()
    sms_sandbox.advance(LIFETIME - 1)
    assert program.ask("getStatus", id=id) == "STATUS_WAIT_CODE"


def test_a_cancel_is_allowed_once_the_clock_has_passed_the_hold(sms_sandbox, program):
    id, _ = program.buy()
    assert program.ask("setStatus", id=id, status=8) == "EARLY_CANCEL_DENIED"
    sms_sandbox.advance(HOLD + 1)
    assert program.ask("setStatus", id=id, status=8) == "ACCESS_CANCEL"
    assert sms_sandbox.ledger.spent == 0


def test_an_order_expires_and_is_refunded_once_the_clock_has_passed_its_life(sms_sandbox, program):
    id, number = program.buy()
    sms_sandbox.advance(LIFETIME + 1)
    assert program.ask("getStatus", id=id) == "STATUS_CANCEL"
    ledger = sms_sandbox.ledger
    assert (ledger.charged, ledger.refunded, ledger.spent) == (95, 95, 0)
    assert [entry.kind for entry in ledger.entries] == ["deposit", "charge", "refund"]
    assert program.ask("getBalance") == "ACCESS_BALANCE:100.00"
    with pytest.raises(SandboxError, match=f"{number} takes no SMS: its order is expired"):
        sms_sandbox.send_sms(number, "too late")


@pytest.mark.parametrize("seconds", [HOLD + 5, LIFETIME + 5])
def test_a_scheduled_cancel_has_come_true_when_the_clock_has_advanced(
    sms_sandbox, program, seconds
):
    id, _ = program.buy()
    assert program.ask("setStatus", "daisysms", id=id, status=8) == "ACCESS_CANCEL"
    assert [order.status for order in sms_sandbox.orders] == ["waiting"]
    sms_sandbox.advance(seconds)
    assert [order.status for order in sms_sandbox.orders] == ["cancelled"]
    assert sms_sandbox.ledger.spent == 0


def test_the_clock_of_the_order_is_that_of_the_proxy(sms_sandbox, program):
    """The hold is counted from the answer, and not from the test's clock."""
    sms_sandbox.advance(86_400)
    id, _ = program.buy()
    sms_sandbox.advance(HOLD - 5)
    assert program.ask("setStatus", id=id, status=8) == "EARLY_CANCEL_DENIED"
    sms_sandbox.advance(6)
    assert program.ask("setStatus", id=id, status=8) == "ACCESS_CANCEL"


def test_a_request_that_is_being_answered_does_not_time_out_when_the_clock_advances(
    sms_sandbox, program
):
    answers = []
    buyers = [
        threading.Thread(target=lambda: answers.append(program.ask("getNumber", service="tg")))
        for _ in range(8)
    ]
    for buyer in buyers:
        buyer.start()
    for _ in range(3):
        sms_sandbox.advance(100)
    for buyer in buyers:
        buyer.join()
    assert {answer.partition(":")[0] for answer in answers} == {"ACCESS_NUMBER"}


def test_a_client_with_a_pool_goes_on_when_the_advance_has_closed_its_connection(sms_sandbox):
    url = f"{sms_sandbox.endpoint}?api_key=sandbox&action=getBalance"
    with httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(20):
            assert client.get(url).text == "ACCESS_BALANCE:100.00"
            sms_sandbox.advance(200)


def test_the_next_call_fails_and_those_after_it_do_not(sms_sandbox, program):
    sms_sandbox.fail_next("purchase", status=503, body={"error": "no_numbers"})
    assert program.ask("getNumber", service="tg", country=16) == "NO_NUMBERS"
    assert sms_sandbox.ledger.charged == 0
    sms_sandbox.advance(600)
    program.buy()


def test_a_purchase_whose_answer_is_lost_is_found_and_paid_once(sms_sandbox, program):
    sms_sandbox.fail_next("purchase", "broken", when="after")
    program.buy()
    assert (len(sms_sandbox.orders), sms_sandbox.ledger.charged) == (1, 95)


def test_the_report_says_what_a_program_asked_for_and_did_not_get(sms_sandbox, program):
    program.ask("getRentNumber")
    report = sms_sandbox.report
    assert (report.requests, report.understood, report.refused) == (1, 1, 1)
    assert "getRentNumber" in report.summary and "BAD_ACTION" in report.lines[0]


def test_a_reset_leaves_nothing_of_what_was(sms_sandbox, program):
    id, number = program.buy()
    sms_sandbox.fail_next("*", "silence", times=1000)
    sms_sandbox.control("POST", "switches", {"hold": 5})
    sms_sandbox.control("POST", "offer", {"service": "tg", "price": 9})
    sms_sandbox.advance(3600)
    before = sms_sandbox.control("GET", "clock")["now"]
    sms_sandbox.reset()
    assert sms_sandbox.control("GET", "clock")["now"] < before - 3500
    assert sms_sandbox.orders == [] and sms_sandbox.printed == ""
    assert sms_sandbox.report.requests == 0
    assert program.ask("getStatus", id=id) == "NO_ACTIVATION"
    assert program.ask("getActiveActivations") == '{"status":"error","error":"NO_ACTIVATIONS"}'
    assert '"cost":0.95' in program.ask("getPrices", service="tg", country=16)
    again, another = program.buy()
    assert another != number and again != id
    assert program.ask("setStatus", id=again, status=8) == "EARLY_CANCEL_DENIED"


def test_a_reset_keeps_the_report_if_it_is_not_asked_to_empty_it(sms_sandbox, program):
    for seed in (1001, 1002):
        program.ask("getBalance")
        sms_sandbox.control("POST", "reset", {"seed": seed})
    assert sms_sandbox.report.requests == 2
    (row,) = sms_sandbox.control("GET", "report")["actions"]
    assert row["answers"] == {"ACCESS_BALANCE": 2}


def test_a_reset_does_not_wait_for_a_purchase_that_hangs(sms_sandbox, program):
    sms_sandbox.fail_next("purchase", "silence")
    buyer = threading.Thread(target=program.ask, args=("getNumber",), kwargs={"service": "tg"})
    buyer.start()
    while not sms_sandbox.control("GET", "requests?call=purchase")["count"]:
        pass
    sms_sandbox.reset()
    buyer.join()
    assert sms_sandbox.orders == []


def test_two_sandboxes_do_not_meet(sms_sandbox, program):
    with Sandbox() as other:
        assert other.url != sms_sandbox.url
        program.buy()
        assert other.orders == [] and len(sms_sandbox.orders) == 1


def test_an_sms_comes_by_itself_if_that_is_wanted(program):
    with Sandbox(sms_after=5, switches={"hold": 7}) as sandbox:
        program.sandbox = sandbox
        id, _ = program.buy()
        sandbox.advance(6)
        assert program.ask("getStatus", id=id).startswith("STATUS_OK:")
        assert sandbox.control("GET", "switches")["switches"]["hold"] == 7


def test_a_sandbox_that_runs_already_can_be_used_and_is_left_running(sms_sandbox, program):
    with Sandbox(url=f"{sms_sandbox.url}/") as same:
        _, number = program.buy()
        assert same.url == sms_sandbox.url and same.wait_for_number() == number
        assert same.printed == ""
    assert sms_sandbox.orders != []


def test_a_sandbox_that_should_run_already_and_does_not_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(SandboxError, match=f"does not answer at {url}: "):
        Sandbox(url=url, start_seconds=0.1).start()


def test_the_settings_of_the_environment_do_not_reach_it(monkeypatch, program):
    monkeypatch.setenv("PROXY_DIALECT", "daisysms")
    monkeypatch.setenv("PROXY_LISTEN_PORT", "not a port")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Sandbox() as sandbox:
        assert sandbox.orders == []


# What goes wrong.


def test_a_taken_port_is_one_error_with_the_last_lines():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError) as failure:
            Sandbox(port=port).start()
    assert str(failure.value).splitlines() == [
        "the sandbox did not start (exit code 1); its last lines:",
        f"Error: 127.0.0.1:{port} cannot be opened: Address already in use: "
        "choose another --port or --host",
    ]


def test_a_wrong_switch_is_one_error_that_names_the_right_ones():
    with pytest.raises(SandboxError, match=r"no switch has the name 'holt'; known, .*hold=float"):
        Sandbox(switches={"holt": 5}).start()


def test_a_sandbox_that_does_not_start_in_time_is_an_error_and_leaves_no_process(
    tmp_path, monkeypatch
):
    program = tmp_path / "silent"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid; echo a word; exec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr("proxy.testing.process.END_SECONDS", 0.05)
    with pytest.raises(SandboxError, match=r"did not start in 0\.5 s.*last lines:\na word"):
        Sandbox(start_seconds=0.5).start()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_sandbox_that_has_ended_is_an_error_with_its_last_lines():
    with Sandbox() as sandbox:
        os.kill(sandbox.pid, 9)
        with pytest.raises(
            SandboxError, match=r"does not answer at .*its last lines:\n(.|\n)*curl"
        ):
            sandbox.advance(1)


def test_a_sandbox_that_was_not_started_says_how():
    with pytest.raises(SandboxError, match="use `with Sandbox"):
        Sandbox().advance(1)


def test_a_refused_call_says_what_would_be_right(sms_sandbox):
    with pytest.raises(SandboxError, match=r"no such order; known: \[\]"):
        sms_sandbox.send_sms("447000000000", "hello")
    with pytest.raises(SandboxError, match=r"purchas is no call; known: .*\"purchase\""):
        sms_sandbox.fail_next("purchas")
