"""Finds the verification code in the text of an SMS. Pure: text in, code out.

Legacy servers answered `STATUS_OK:code`; the upstream's orders hold the text only. First what is
surely no code is blanked out (DECOYS), then each form a code can have (FORMS) makes candidates, and
the best-placed candidate wins: the one that a word for "code" points at.
"""

import re
import unicodedata
from typing import NamedTuple

# Words for "code" in the languages that verification texts come in.
_WORDS = (
    r"code|c[oó]digo|codice|passcode|password|pass\s?code|otp|pin|token|verif\w*|confirm\w*|"
    r"security|one.time|k[oó]d\w*|код\w*|парол\w*|подтвержд\w*|clave|contrase\w+|mot de passe|"
    r"best[aä]tigung\w*|kennwort|wachtwoord|hasło|doğrulama|şifre\w*|mã|kode|sandi|"
    r"验证码|驗證碼|校验码|動態碼|动态码|認証|確認|コード|パスワード|인증\w*|코드|번호|"
    r"رمز|كود|كلمة|קוד|סיסמ\w*|รหัส|कोड|ओटीपी|κωδικ\w*"
)
_WORD = re.compile(rf"(?:{_WORDS})", re.IGNORECASE)

_MONEY = r"(?:[$€£¥₽₹₴₺₸₩]|\b(?:usd|eur|gbp|rub|inr|uah|kzt|brl|cny|try|руб\w*|rs\.?)(?=\W|\d))"
_NUMBER = r"\d[\d.,' ]*"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"

# Blanked out before the search, in this order.
DECOYS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"https?://\S+",
        r"\bwww\.\S+",
        r"[\w.+-]+@[\w-]+\.[\w.]+",
        r"(?<![\w@])(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/\S*)",
        rf"{_MONEY}\s?{_NUMBER}",
        rf"(?<!\d){_NUMBER}\s?{_MONEY}",
        r"(?<!\d)\d+[.,]\d{2}(?!\d)",
        r"\+\d[\d\s().-]{6,}\d",
        r"(?<!\d)(?:\d{1,2}[\s-])?\(?\d{3}\)?[\s-]\d{3}[\s-]\d{2}[\s-]?\d{2}(?!\d)",
        r"(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)",
        rf"(?<!\d)(?:{_DAY}[-/.]{_MONTH}|{_MONTH}[-/.]{_DAY})[-/.]\d{{2,4}}(?!\d)",
        r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)",
        r"©\s?\d{4}",
        r"\b(?:ending(?:\s+(?:in|with))?|ends\s+(?:in|with)|last\s+4(?:\s+digits)?)\W{0,2}\d{4}\b",
        r"[*x•]{2,}\s?\d{2,4}\b",
        r"\b(?:stop|help|text|txt|call|sms)\b[^.\n]{0,20}?\bto\s+\d{4,7}\b",
        r"\bcall\s+\d[\d\s-]{3,}\d",
        r"(?<!\d)\d+\s?(?:minutes?|mins?|min|hours?|hrs?|seconds?|secs?|days?|минут\w*|мин|час\w*"
        r"|分钟|分|秒|분|초)(?![a-zа-я])",
        # The hash of Android's SMS Retriever: eleven characters, alone at the end.
        r"(?<=\s)(?=[\w+/]*[a-z])(?=[\w+/]*[A-Z+/])[\w+/]{11}\s*$",
    )
)


class Form(NamedTuple):
    """A form of code: its pattern, how sure it is by itself, and if a word must point at it."""

    pattern: re.Pattern[str]
    weight: int
    needs_word: bool = False


_START = r"(?<![\w.,'-])"
_STOP = r"(?![\w%]|[.,'-]\w)"
# Scripts without spaces write the code right after a letter, so digits look at digits only.
_DIGITS_START = r"(?<![\da-zA-Z.,'-])"
_DIGITS_STOP = r"(?![\da-zA-Z%]|[.,'-]\d)"

FORMS = (
    # Google: G-123456; others FB-12345. The digits are the code.
    Form(re.compile(rf"{_START}[A-Z]{{1,3}}-(\d{{4,8}}){_STOP}"), 30),
    # The Web OTP line: @example.com #123456.
    Form(re.compile(r"(?m)^@\S+\s+#(\w{4,10})\b"), 40),
    Form(
        re.compile(rf"{_DIGITS_START}(\d{{3}}[-\s]\d{{3}}|\d{{4}}[-\s]\d{{4}}){_DIGITS_STOP}"), 20
    ),
    Form(re.compile(rf"{_DIGITS_START}((?:\d\s){{3,7}}\d){_DIGITS_STOP}"), 15),
    Form(re.compile(rf"{_DIGITS_START}(\d{{2}}[-\s]\d{{2}}[-\s]\d{{2}}){_DIGITS_STOP}"), 12),
    Form(re.compile(rf"{_DIGITS_START}(\d{{4,8}}){_DIGITS_STOP}"), 20),
    Form(re.compile(rf"{_DIGITS_START}(\d{{3}}|\d{{9,10}}){_DIGITS_STOP}"), 0, needs_word=True),
    # Letters and digits mixed: A1B2C3, X7K9-Q2M4.
    Form(
        re.compile(
            rf"{_START}((?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])"
            rf"[A-Z0-9]{{4,10}}|[A-Z0-9]{{4}}-[A-Z0-9]{{4}}){_STOP}"
        ),
        12,
    ),
    Form(
        re.compile(rf"{_START}((?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{{4,10}}){_STOP}"),
        0,
        needs_word=True,
    ),
    # Letters alone, as Steam sends, only where a word points at them.
    Form(re.compile(rf"{_START}([A-Z]{{4,8}}){_STOP}"), -5, needs_word=True),
)

_YEAR = re.compile(r"(?:19|20)\d\d")
_POINTS_AT = re.compile(
    rf"(?:{_WORDS})(?:[^.!?\n\d]{{0,24}}?(?:\bis\b|\bes\b|\best\b|\bist\b|è|:|：|=|-|—|–|是|为|為|は)"
    r"|)[\s\"'«“„*#(\[【>]*$",
    re.IGNORECASE,
)
_POINTED_FROM = re.compile(
    rf"^[\s\"'»”*)\]】,-]*(?:\bis\b|\bes\b|\best\b|\bist\b|—|–|это|è|là|は|是|为|為|est)?"
    rf"[^.!?\n\d]{{0,40}}?(?:{_WORDS})",
    re.IGNORECASE,
)
_NOT_A_CODE = re.compile(
    r"(?:order|ticket|invoice|account|acct|ref\w*|case|id|заказ\w*|№)\W{0,3}$", re.IGNORECASE
)


def find_code(text: str) -> str | None:
    """The code of an SMS text, digits where the code is digits; None where there is none."""
    text = _plain(text)
    for decoy in DECOYS:
        text = decoy.sub(lambda match: " " * len(match.group()), text)
    best: tuple[int, int] | None = None
    code = None
    for form in FORMS:
        for match in form.pattern.finditer(text):
            score = _score(form, match, text)
            rank = (score, -match.start())
            if score > 0 and (best is None or rank > best):
                best, code = rank, match.group(1)
    return _joined(code) if code else None


def _plain(text: str) -> str:
    """Full-width and other scripts' digits become ASCII; invisible marks go."""
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in unicodedata.normalize("NFKC", text)
        if unicodedata.category(char) != "Cf"
    )


def _score(form: Form, match: re.Match[str], text: str) -> int:
    before, after = text[: match.start()], text[match.end() :]
    pointed = bool(_POINTS_AT.search(before[-60:])) or bool(_POINTED_FROM.search(after[:60]))
    if form.needs_word and not pointed:
        return 0
    near = bool(_WORD.search(before[-40:]))
    score = form.weight + 40 * pointed + 10 * near
    if _YEAR.fullmatch(match.group(1)) and not pointed:
        score -= 25
    if _NOT_A_CODE.search(before[-16:]):
        score -= 30
    return score


def _joined(code: str) -> str:
    """`123-456` and `1 2 3 4` are digits with separators; `X7K9-Q2M4` keeps its dash."""
    bare = re.sub(r"[-\s]", "", code)
    return bare if bare.isdigit() else code
