"""The code of an SMS, as a person would read it out; None where there is none."""

from pathlib import Path

import pytest

from proxy.legacy.answers import NO_CODE, safe
from proxy.legacy.code import find_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("G-123456 is your Google verification code.", "123456"),
        (
            "Your WhatsApp code: 123-456\nYou can also tap on this link to verify your phone: v.whatsapp.com/123456\nDon't share this code",
            "123456",
        ),
        ("Login code: 12345. Do not give this code to anyone", "12345"),
        ("Your code is 123 456", "123456"),
        ("Your Discord verification code is: 987654", "987654"),
        ("【微信】验证码123456，请勿告诉他人", "123456"),
        (
            "[TikTok] 4821 is your verification code, valid for 5 minutes. To keep your account safe, never forward this code.",
            "4821",
        ),
        ("Your Steam verification code is JKWXY", "JKWXY"),
        ("Use A1B2C3 to verify your account", "A1B2C3"),
        ("Your one-time code X7K9-Q2M4 expires in 10 minutes", "X7K9-Q2M4"),
        ("Код подтверждения: 55321. Никому не говорите", "55321"),
        ("Ваш код 2024", "2024"),
        ("© 2025 Shop. Your PIN: 7744", "7744"),
        ("Payment of $1234 confirmed. Code 8812", "8812"),
        ("1500 RUB charged. Пароль 778899", "778899"),
        ("Call +1 800 555 1234 for help. Your code is 334455.", "334455"),
        ("Visit https://example.com/a/123456?x=9876 now. OTP 4455", "4455"),
        ("رمز التحقق الخاص بك هو ١٢٣٤٥٦", "123456"),
        ("認証コード：482913 を入力してください", "482913"),
        ("[카카오] 인증번호 [551234]를 입력하세요", "551234"),
        ("Welcome to our shop!", None),
        ("Your order 55512345 has shipped", None),
        ("Your appointment is on 2026-03-14 at 10:30", None),
        ("<#> Your Uber code: 1234. Never share. FA+9qCX9VSu", "1234"),
        ("Card ending in 4242: your security code is 918273", "918273"),
        ("Text STOP to 54321. Your code is 667788", "667788"),
        ("123456 is your Facebook confirmation code", "123456"),
        ("FB-12345 is your Facebook confirmation code", "12345"),
        ("Your Amazon OTP is 1 2 3 4 5 6", "123456"),
        ("code:0042", "0042"),
        ("Tu código es 8899", "8899"),
        ("Votre code de vérification est 123456", "123456"),
        ("Ihr Bestätigungscode lautet 778812", "778812"),
        ("778812", "778812"),
        ("Your code is 042", "042"),
        ("Balance 1,234.50 EUR. Use code 9090", "9090"),
        ("In 2025 we grew. Your code: 2019", "2019"),
        ("@example.com #747723", "747723"),
        ("Your verification code\n\n345678", "345678"),
        ("Snapchat Code: 512 003. Happy Snapping!", "512003"),
        ("Microsoft access code: 7281", "7281"),
        ("Use code 4821 by 14:35 on 03/14/2026. Amount 2500 руб", "4821"),
        ("Your code is: 12-34-56", "123456"),
        ("Mã xác minh của bạn là 667123", "667123"),
        (
            "PayPal: Your security code is 112233. Your code expires in 10 minutes. Please don't reply.",
            "112233",
        ),
        ("Hi from 2026", None),
        ("รหัสยืนยันของคุณคือ 889900", "889900"),
        ("12345 — ваш код входа", "12345"),
        (
            "Your Airbnb verification code is: 9218. Don't share this code with anyone; our employees will never ask for the code. @www.airbnb.com #9218",
            "9218",
        ),
        ("Do not share. Kod: 90210", "90210"),
        ("VK: 55123 - your login code", "55123"),
        ("Your Apple ID Code is: 123456. Don't share it with anyone.", "123456"),
        ("Account 12345678 login. OTP: 5566", "5566"),
        ("abc123 is your code", "abc123"),
        ("Call 18005551234 now", None),
        ("ABCD-1234", "ABCD-1234"),
        ("Your code is ABCDEF", "ABCDEF"),
        ("", None),
    ],
)
def test_the_code_is_found(text, code):
    assert find_code(text) == code


SMS = (Path(__file__).parents[1] / "sms.txt").read_text().splitlines()[1:]


@pytest.mark.parametrize("row", SMS)
def test_the_code_is_found_in_what_services_send(row):
    code, _, text = row.partition("\t")
    assert find_code(text.replace("\\n", "\n")) == (None if code == "-" else code)


def test_a_long_text_takes_no_long_time():
    assert find_code("1 " * 100_000) is not None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Welcome: your trial\nhas begun", "Welcome your trial has begun"),
        ("a:b::c", "a b c"),
        ("\x00\x07tab\there\u2028next", "tab here next"),
        ("the SQL course", "the S-Q-L course"),
        ("", NO_CODE),
        (" : \n", NO_CODE),
        ("x" * 2000, "x" * 480),
    ],
)
def test_a_text_without_a_code_is_made_safe_for_the_wire(text, word):
    assert safe(text) == word
