"""The countries on sale, and the form of their mobile numbers: the 59 seen live in May 2026, and
Russia. The real upstream does not list that one, but it is the first country of the old protocol,
which old clients buy by default.
"""

from typing import NamedTuple


class Country(NamedTuple):
    """`prefixes` are the dial code and first digits of mobile numbers; `digits` is their length."""

    iso: str
    name: str
    prefixes: tuple[str, ...]
    digits: int


COUNTRIES = (
    Country("AO", "Angola", ("2449",), 12),
    Country("AR", "Argentina", ("5411",), 12),
    Country("AT", "Austria", ("43660", "43664"), 12),
    Country("BA", "Bosnia and Herzegovina", ("38761",), 11),
    Country("BD", "Bangladesh", ("88017", "88018"), 13),
    Country("BE", "Belgium", ("3247", "3249"), 11),
    Country("BG", "Bulgaria", ("35988", "35989"), 12),
    Country("BR", "Brazil", ("55119", "55219"), 13),
    Country("CA", "Canada", ("14162", "16042", "15142"), 11),
    Country("CM", "Cameroon", ("2376",), 12),
    Country("CN", "China", ("8613", "8615"), 13),
    Country("CO", "Colombia", ("5730", "5731"), 12),
    Country("CZ", "Czech Republic", ("42060", "42077"), 12),
    Country("DE", "Germany", ("49151", "49176"), 13),
    Country("EE", "Estonia", ("3725",), 11),
    Country("EG", "Egypt", ("2010", "2011"), 12),
    Country("ES", "Spain", ("346",), 11),
    Country("FR", "France", ("336", "337"), 11),
    Country("GB", "United Kingdom", ("4474", "4475", "4477"), 12),
    Country("GE", "Georgia", ("9955",), 12),
    Country("GR", "Greece", ("3069",), 12),
    Country("HK", "Hong Kong", ("8525", "8526"), 11),
    Country("HR", "Croatia", ("38591", "38598"), 12),
    Country("HU", "Hungary", ("3620", "3630"), 11),
    Country("ID", "Indonesia", ("62812", "62813"), 12),
    Country("IE", "Ireland", ("35385", "35387"), 12),
    Country("IL", "Israel", ("97252", "97254"), 12),
    Country("IN", "India", ("919", "918"), 12),
    Country("IQ", "Iraq", ("96477", "96478"), 13),
    Country("IT", "Italy", ("3932", "3934"), 12),
    Country("KE", "Kenya", ("2547",), 12),
    Country("KG", "Kyrgyzstan", ("99655", "99670"), 12),
    Country("KZ", "Kazakhstan", ("7701", "7747"), 11),
    Country("LR", "Liberia", ("23177", "23188"), 12),
    Country("LT", "Lithuania", ("3706",), 11),
    Country("LV", "Latvia", ("3712",), 11),
    Country("MA", "Morocco", ("2126",), 12),
    Country("MD", "Moldova", ("37369", "37378"), 11),
    Country("MX", "Mexico", ("5255", "5281"), 12),
    Country("MY", "Malaysia", ("6012", "6017"), 11),
    Country("NG", "Nigeria", ("23480", "23490"), 13),
    Country("NL", "Netherlands", ("316",), 11),
    Country("NZ", "New Zealand", ("6421", "6422"), 11),
    Country("PE", "Peru", ("519",), 11),
    Country("PH", "Philippines", ("6391", "6392"), 12),
    Country("PL", "Poland", ("4850", "4860"), 11),
    Country("PT", "Portugal", ("35191", "35193"), 12),
    Country("RO", "Romania", ("407",), 11),
    Country("RU", "Russia", ("7903", "7916", "7921"), 11),
    Country("SE", "Sweden", ("467",), 11),
    Country("SI", "Slovenia", ("38640", "38641"), 11),
    Country("SK", "Slovakia", ("42190", "42191"), 12),
    Country("TD", "Chad", ("2356", "2359"), 11),
    Country("TH", "Thailand", ("668", "669"), 11),
    Country("TR", "Turkey", ("9053", "9054"), 12),
    Country("UA", "Ukraine", ("38050", "38067"), 12),
    Country("US", "United States", ("12022", "12132", "13122", "14152", "16462"), 11),
    Country("UZ", "Uzbekistan", ("99890", "99893"), 12),
    Country("VN", "Vietnam", ("849", "843"), 11),
    Country("ZA", "South Africa", ("276", "277"), 11),
)
