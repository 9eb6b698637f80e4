"""The sign-up page of a shop in a real browser. It needs selenium, Chromium and its driver."""

import shutil
import threading

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import title_is
from selenium.webdriver.support.ui import WebDriverWait
from shop import Shop
from signup import buy, wait_for_code


@pytest.fixture
def shop(sms_sandbox):
    with Shop(send_sms=sms_sandbox.send_sms) as shop:
        thread = threading.Thread(target=shop.serve_forever)
        thread.start()
        yield shop
        shop.shutdown()
        thread.join()


@pytest.fixture
def browser():
    options = webdriver.ChromeOptions()
    options.add_argument("--headless=new")
    options.add_argument("--no-sandbox")  # Chromium's own, which a container has no right to.
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def test_a_visitor_signs_up_with_the_code_of_the_sms(sms_sandbox, shop, browser):
    def fill(name, text):
        browser.find_element(By.NAME, name).send_keys(text)
        browser.find_element(By.TAG_NAME, "button").click()

    def wait_for_page(title):
        WebDriverWait(browser, 30).until(title_is(title))

    activation, number = buy(sms_sandbox.endpoint, sms_sandbox.api_key)
    browser.get(shop.url)
    wait_for_page("Sign up")
    fill("phone", f"+{number}")
    wait_for_page("Enter the code")
    fill("code", "0")
    wait_for_page("Wrong code")
    fill("code", wait_for_code(sms_sandbox.endpoint, sms_sandbox.api_key, activation))
    wait_for_page("Welcome")
