"""JSON texts after the grammar of RFC 8259: valid ones with their value, invalid ones, and those it leaves open.

VALID maps a text to its value. INVALID are texts that no parser may take. OPEN are texts that RFC 8259 leaves to the
implementation, each with the value that this one gives, or REFUSED.
"""

from typing import Any

REFUSED = object()


def _deep(levels: int, left: str = "[", right: str = "]") -> str:
    return left * levels + right * levels


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


VALID: dict[str, Any] = {
    # literals
    "null": None, "true": True, "false": False, " null": None, "null ": None, "\t\r\n null\t\r\n ": None,
    # integers
    "0": 0, "-0": 0, "1": 1, "-1": -1, "10": 10, "1234567890": 1234567890, "2147483648": 2147483648,
    "9007199254740991": 2**53 - 1, "9007199254740993": 2**53 + 1, "999999999999999999": 999999999999999999,
    "1000000000000000000": 10**18, "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63),
    # fractions and exponents
    "0.0": 0.0, "-0.0": -0.0, "1.0": 1.0, "1.5": 1.5, "-1.5": -1.5, "0.1": 0.1, "1e0": 1.0, "1E0": 1.0, "1e+0": 1.0,
    "1e-0": 1.0, "1E+2": 100.0, "1e-2": 0.01, "1.5e3": 1500.0, "-1.5E-3": -0.0015, "0e0": 0.0, "0e+1": 0.0,
    "0E99999": 0.0, "1e00": 1.0, "1e05": 100000.0, "123.456e-7": 1.23456e-5, "1e308": 1e308, "-1e308": -1e308,
    "1.7976931348623157e308": 1.7976931348623157e308, "2.2250738585072014e-308": 2.2250738585072014e-308,
    "5e-324": 5e-324, "4.9406564584124654e-324": 5e-324, "0.30000000000000004": 0.30000000000000004,
    "3.141592653589793238462643383279": 3.141592653589793, "1e22": 1e22, "1e23": 1e23,
    "9223372036854775808.0": 2.0**63, "18446744073709551616e0": 2.0**64, "12345678901234567890.5": 1.2345678901234567e19,
    "0.12345678901234567890123": 0.12345678901234568, "1E-12345": 0.0,
    # strings
    '""': "", '" "': " ", '"a"': "a", '"\\""': '"', '"\\\\"': "\\", '"\\/"': "/", '"/"': "/", '"\\b\\f\\n\\r\\t"': "\b\f\n\r\t",
    '"\\u0041"': "A", '"\\u00e9"': "é", '"\\u00E9"': "é", '"é"': "é", '"\\u20ac"': "€", '"\\ud83d\\ude00"': "😀",
    '"\\uD83D\\uDE00"': "😀", '"😀"': "😀", '"\\uffff"': "\uffff", '"\\ufeff"': "\ufeff", '"\ufeff"': "\ufeff",
    '"\\u007f"': "\x7f", '"\x7f"': "\x7f", '"\\u0001"': "\x01", '"\\u001f"': "\x1f", '"\\u2028\\u2029"': "\u2028\u2029",
    '"\u2028"': "\u2028", '"\\\\u0000"': "\\u0000", '"\\\\ud800"': "\\ud800", '"\\udbff\\udfff"': "\U0010ffff",
    '"NaN"': "NaN", '"Infinity"': "Infinity", '"[[[[["': "[[[[[", '"99999999999999999999"': "99999999999999999999",
    '"//"': "//", '"/*"': "/*", '"\U0010ffff"': "\U0010ffff", '"e\u0301"': "e\u0301", '"ﬀ"': "ﬀ",
    # arrays
    "[]": [], "[ ]": [], "[1]": [1], "[1,2]": [1, 2], "[ 1 , 2 ]": [1, 2], "[\n1\n]": [1], "[null]": [None],
    "[[]]": [[]], "[[],[]]": [[], []], '["a",1,true,null,{}]': ["a", 1, True, None, {}], "[1.0,1]": [1.0, 1],
    _deep(15): _nested(15),
    # objects
    "{}": {}, "{ }": {}, '{"a":1}': {"a": 1}, '{ "a" : 1 }': {"a": 1}, '{"a":{"b":[]}}': {"a": {"b": []}},
    '{"b":1,"a":2}': {"b": 1, "a": 2}, '{"a":null}': {"a": None}, '{"\\u0061b":1}': {"ab": 1}, '{"é":"é"}': {"é": "é"},
    '{"a\\"b":1}': {'a"b': 1}, '{"a.b":1}': {"a.b": 1}, '{" ":1}': {" ": 1}, '{"__proto__":{}}': {"__proto__": {}},
    '{"A":1,"a":2}': {"A": 1, "a": 2}, '{"\\n":1}': {"\n": 1},
}  # fmt: skip

INVALID: list[str | bytes] = [
    # literals
    "True", "NULL", "nul", "nulll", "tru", "truee", "undefined", "None", "nan", "NaN", "-NaN", "Infinity", "-Infinity",
    "inf", "+Infinity", "[NaN]", '{"a":-Infinity}',
    # numbers
    "+1", "01", "-01", "00", "1.", "-1.", ".5", "-.5", "1.e1", "1e", "1e+", "1E-", "1e1.5", "--1", "- 1", "1-", "1+1",
    "0x10", "0b1", "1_000", "1,000.0,", "1 2", "0.0.0", "1ee1", "٣", "１", "1f", "0e", "e1", "-",
    # strings
    '"', '"a', 'a"', "'a'", '"\\"', '"\\x41"', '"\\a"', '"\\u"', '"\\u1"', '"\\u12"', '"\\u123"', '"\\u12g4"', '"\\U0041"',
    '"\n"', '"\t"', '"\x00"', '"\x01"', '"\x1f"', '"a" "b"', '"a"b', "`a`", '"\\', '"\\ u0041"', "“a”",
    # UTF-8
    b'"\xff"', b'"\xc0\x80"', b'"\xc3"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\x80"', b"\xff",
    b'{"\xff":1}', '"é"'.encode("latin-1"), "1".encode("utf-16"), "{}".encode("utf-16-le"), "1".encode("utf-32"),
    # arrays
    "[", "]", "[1", "1]", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]", "[[1]", "[1]]", "(1)", "[1,\n", "[}",
    # objects
    "{", "}", '{"a"}', '{"a":}', '{"a":1', '{"a":1,}', "{a:1}", "{1:1}", "{'a':1}", '{"a" 1}', '{"a"::1}', '{"a":1 "b":2}',
    '{,"a":1}', '{"a":1,,"b":2}', '{null:1}', '{"a":1]', '{[]:1}', '{"a":1}}', '{"a",1}',
    # around
    "{} x", "{}{}", "[] []", "// c\n1", "1 // c", "/* c */ 1", "# c", "1;", "\x0b1", "\x0c1", "\xa01", "\u20281", "\ufeff1",
    "1\x00", "\x001",
]  # fmt: skip

OPEN: dict[str | bytes, Any] = {
    # What a double or a 64-bit integer cannot hold is refused rather than rounded to something else.
    "9223372036854775808": REFUSED, "-9223372036854775809": REFUSED, "18446744073709551615": REFUSED,
    "18446744073709551616": REFUSED, "100000000000000000000": REFUSED, "1" + "0" * 400: REFUSED, "1e309": REFUSED,
    "-1e309": REFUSED, "1e999999": REFUSED, "[1,9223372036854775808]": REFUSED,
    # Too small for a double is zero, as for every parser of doubles.
    "1e-400": 0.0, "-1e-400": -0.0,
    # Half of a surrogate pair and NUL have no place in UTF-8 text that others read.
    '"\\ud800"': REFUSED, '"\\udc00"': REFUSED, '"\\udc00\\ud800"': REFUSED, '"\\ud800\\ud800"': REFUSED,
    '"\\ud800x"': REFUSED, '"\\ud83d\\u0041"': REFUSED, '{"\\ud800":1}': REFUSED, '"\\u0000"': REFUSED,
    '"a\\u0000b"': REFUSED, '{"\\u0000":1}': REFUSED, '["\\\\\\u0000"]': REFUSED,
    # Of two fields of the same name the last counts.
    '{"a":1,"a":2}': {"a": 2}, '{"a":1,"\\u0061":2}': {"a": 2}, '{"a":1,"b":2,"a":3}': {"a": 3, "b": 2},
    # A byte order mark is refused.
    b"\xef\xbb\xbf{}": REFUSED, b"\xef\xbb\xbf1": REFUSED,
    # Depth is bounded: 16 levels in data, of which the field's value has 15.
    _deep(16): REFUSED, _deep(1_000): REFUSED, _deep(100_000): REFUSED, _deep(100_000, '{"a":', "}").replace("{}", "{"): REFUSED,
}  # fmt: skip
