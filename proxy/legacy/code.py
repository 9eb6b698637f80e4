"""Finds the verification code in the text of an SMS. Pure: text in, code out.

Legacy servers answered `STATUS_OK:code`; the upstream's orders have the text only. First, what
cannot be a code is blanked out (DECOYS). Then each pattern in FORMS finds candidates, and the one
with the highest score wins. A candidate beside a word for "code" scores most.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# Words for "code" in the languages that verification texts come in.
_WORDS = (
    r"code|c[oó]digo|codice|passcode|password|pass\s?code|otp|pin|token|verif\w*|confirm\w*|"
    r"security|one.time|k[oó]d\w*|код\w*|парол\w*|parola\w*|"
    r"подтвержд\w*|clave|contrase\w+|mot de passe|"
    r"best[aä]tigung\w*|kennwort|wachtwoord|hasło|doğrulama|şifre\w*|mã|kode|sandi|"
    r"验证码|驗證碼|校验码|動態碼|动态码|認証|確認|コード|パスワード|인증\w*|코드|번호|"
    r"رمز|كود|كلمة|קוד|סיסמ\w*|รหัส|कोड|ओटीपी|κωδικ\w*"
)
_WORD = re.compile(rf"(?:{_WORDS})", re.IGNORECASE)

_SIGN = r"[$€£¥₽₹₴₺₸₩]"
_CURRENCY = r"\b(?:(?-i:TRY)|usd|eur|gbp|rub|inr|uah|kzt|brl|cny|rs\.?)(?=\W|\d)"
_NUMBER = r"(?:\d{1,3}(?:[., ']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?!\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"

# Blanked out before the search, in this order.
DECOYS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"https?://\S+",
        r"\bwww\.\S+",
        # The lengths of RFC 1035 and 5321: without them a long text takes 20 ms.
        r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.]+",
        r"(?<![\w@])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,63}(?:/\S*)",
        rf"{_SIGN}\s?{_NUMBER}",
        rf"(?<![\d.,-]){_NUMBER}\s?(?:{_SIGN}|руб\w*|{_CURRENCY}(?!\s?\d))",
        rf"{_CURRENCY}\s?{_NUMBER}",
        r"(?<!\d)\d+\s?(?:minutes?|mins?|min|hours?|hrs?|seconds?|secs?|days?|минут\w*|мин|час\w*"
        r"|分钟|分鐘|分|秒|분|초)(?![a-zа-я])",
        r"(?<!\d)\d{1,4}[.,]\d{2}(?![\d.,])",
        r"\+\d(?:[ ().-]{0,2}\d){7,14}(?!\d)",
        r"(?<!\d)(?:\d{1,2}[ -])?\(?\d{3}\)?[ -]\d{3}[ -]\d{2}[ -]?\d{2}(?!\d)",
        r"(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)",
        rf"(?<!\d)(?:{_DAY}[-/.]{_MONTH}|{_MONTH}[-/.]{_DAY})[-/.]\d{{2,4}}(?!\d)",
        r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d)",
        r"©\s?\d{4}",
        r"\b(?:ending(?:\s+(?:in|with))?|ends\s+(?:in|with)|last\s+4(?:\s+digits)?)\W{0,2}\d{4}\b",
        r"(?:(?<!\w)\*+|[x•]{2,})\d{3,4}(?!\d|\*)",
        r"\b(?:stop|help|text|txt|call|sms)\b[^.\n]{0,20}?\bto\s+\d{4,7}\b",
        r"\bcall\s+\d[\d\s-]{3,}\d",
        # The hash of Android's SMS Retriever API: a last word of eleven characters.
        r"(?<=\s)(?=[\w+/]*[a-z])(?=[\w+/]*[A-Z+/])[\w+/]{11}\s*$",
    )
)


class Form(NamedTuple):
    """A form of code: its pattern, its score, and whether a word for "code" must be beside it."""

    pattern: re.Pattern[str]
    weight: int
    needs_word: bool = False


_START = r"(?<![\w,-])(?<!\w[.'])"
_STOP = r"(?![\w%]|[.,'-]\w)"
# Scripts without spaces have letters right before the code: only Latin letters and digits count.
_DIGITS_START = r"(?<![\da-zA-Z,-])(?<!\d[.'])"
_DIGITS_STOP = r"(?![\da-zA-Z%]|[.,'-]\d)"

FORMS = (
    # Google sends G-123456, others FB-12345. The digits are the code.
    Form(re.compile(rf"{_START}[A-Z]{{1,3}}-(\d{{4,8}}){_STOP}"), 30),
    # The Web OTP line: @example.com #123456.
    Form(re.compile(r"(?m)^@\S+\s+#(\w{4,10})\b"), 40),
    Form(re.compile(rf"{_DIGITS_START}(\d{{3}}[-. ]\d{{3}}|\d{{4}}[- ]\d{{4}}){_DIGITS_STOP}"), 20),
    Form(re.compile(rf"{_DIGITS_START}((?:\d[- ]){{3,7}}\d){_DIGITS_STOP}"), 15),
    Form(re.compile(rf"{_DIGITS_START}(\d{{2}}[- ]\d{{2}}[- ]\d{{2}}){_DIGITS_STOP}"), 12),
    Form(
        re.compile(rf"{_DIGITS_START}(\d{{4}} \d{{2}}|\d{{2}}[- ]\d{{4}}){_DIGITS_STOP}"), 22, True
    ),
    Form(re.compile(rf"{_DIGITS_START}(\d{{3}} \d{{2}}|\d{{2}} \d{{2,3}}){_DIGITS_STOP}"), 2, True),
    Form(re.compile(rf"{_DIGITS_START}(\d{{4,8}}){_DIGITS_STOP}"), 20),
    Form(re.compile(rf"{_DIGITS_START}(\d{{3}}|\d{{9,10}}){_DIGITS_STOP}"), 0, True),
    # Letters and digits mixed: A1B2C3, X7K9-Q2M4, XK4-92P, 7F-3K-9Q.
    Form(
        re.compile(
            rf"{_START}((?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])"
            rf"(?:[A-Z0-9]{{4,10}}|[A-Z0-9]{{4}}-[A-Z0-9]{{4}}|[A-Z0-9]{{3}}-[A-Z0-9]{{3}}"
            rf"|(?:[A-Z0-9]{{2}}-){{2}}[A-Z0-9]{{2}})){_STOP}"
        ),
        12,
    ),
    Form(
        re.compile(rf"{_START}((?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{{4,10}}){_STOP}"),
        0,
        needs_word=True,
    ),
)

# Letters only, as Steam sends: if no candidate has a digit, and right behind "code is".
_LETTERS = re.compile(
    r"(?:code|otp|pin|password|passcode|token|k[oó]d|код|c[oó]digo)\s?(?:is|es|est|ist|:|=)\s?[\"'«*]*([A-Z]{4,8})(?![\w-])",
    re.IGNORECASE,
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
_NOT_A_CODE = re.compile(r"(?:order|ticket|invoice|ref\w*|case|заказ\w*)\W{0,3}$", re.IGNORECASE)
# An account number, unless it is the only candidate: "Your Google Account: 482913".
_HARDLY_A_CODE = re.compile(r"(?:account|acct|id)\W{0,3}$", re.IGNORECASE)

MAX_SEARCHED = 1600
"""Characters of a text that are searched: ten parts of an SMS."""

MAX_CACHED = 2048
"""Texts whose code is cached: each answer about an order searches all its texts, and a text made
to be slow takes up to 12 ms.
"""

# Marks that NFKC would turn into commas and letters, and the forms of the dash.
_MARKS = str.maketrans("，、；。№‐‑‒–", "    #----")


def find_code(text: str) -> str | None:
    """Returns the code of an SMS text, without separators if it is a number, or None."""
    return _find_code(text[:MAX_SEARCHED])


@lru_cache(MAX_CACHED)
def _find_code(text: str) -> str | None:
    text = _plain(text)
    for decoy in DECOYS:
        text = decoy.sub(lambda match: " " * len(match.group()), text)
    found = [
        (score, -match.start(), match.group(1))
        for form in FORMS
        for match in form.pattern.finditer(text)
        if (score := _score(form, match, text)) > 0
    ]
    if found:
        # Of two that begin at the same place, the longer one: 4829 13, not 4829.
        return _joined(max(found, key=lambda one: (one[0], one[1], len(one[2])))[2])
    letters = _LETTERS.search(text)
    return letters[1] if letters and letters[1].isupper() else None


def _plain(text: str) -> str:
    """The text with all digits in ASCII and without invisible characters."""
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in unicodedata.normalize("NFKC", text.translate(_MARKS))
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
    if _HARDLY_A_CODE.search(before[-16:]):
        score -= 15
    return score


def _joined(code: str) -> str:
    """Removes separators from a number (`123-456`, `1 2 3 4`); `X7K9-Q2M4` keeps its dash."""
    bare = re.sub(r"[-. ]", "", code)
    return bare if bare.isdigit() else code
