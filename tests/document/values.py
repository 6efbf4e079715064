"""Strategies for JSON values of every type, biased to where orders and encodings break."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
edges = st.sampled_from([0, 1, -1, (1 << 53), (1 << 53) + 1, -(1 << 53) - 1, (1 << 63) - 1, -(1 << 63), 1 << 62])
integers = INT64 | edges | st.integers(-20, 20)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.0, 0.1, 5e-324, -5e-324, 2.0**53, 2.0**63, -(2.0**63), 1.7976931348623157e308]
)
texts = st.text(max_size=8) | st.text(alphabet="\0\x01a\xff\U0010ffff", max_size=5)


def _decimal(sign: str, digits: str, exponent: int) -> dict[str, object]:
    return {"$numberDecimal": f"{sign}{digits}E{exponent}"}


decimals = st.one_of(
    st.builds(
        _decimal,
        st.sampled_from(["", "-"]),
        st.text("0123456789", min_size=1, max_size=34),
        st.integers(-6000, 6000) | st.integers(-40, 40),
    ),
    floats.map(lambda number: {"$numberDecimal": format(number, ".17g")}),
    integers.map(lambda number: {"$numberDecimal": str(number)}),
    st.sampled_from(["Infinity", "-Infinity", "0.1", "-0", "1.50"]).map(lambda text: {"$numberDecimal": text}),
)
dates = st.one_of(
    INT64.map(lambda ms: {"$date": {"$numberLong": str(ms)}}),
    st.datetimes().map(lambda time: {"$date": time.isoformat(timespec="milliseconds") + "Z"}),
)
object_ids = st.binary(min_size=12, max_size=12).map(lambda data: {"$oid": data.hex()})
binaries = st.tuples(st.binary(max_size=6), st.integers(0, 255)).map(
    lambda pair: {"$binary": {"base64": base64.b64encode(pair[0]).decode(), "subType": f"{pair[1]:02x}"}}
)
tagged = decimals | dates | object_ids | binaries
numbers = integers | floats | decimals

id_scalars = st.booleans() | integers | floats | texts | tagged
scalars = st.none() | id_scalars

names = st.text(alphabet="ab\0é$", max_size=3).filter(lambda name: not name.startswith("$"))
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
plain_scalars = st.none() | st.booleans() | integers | floats | texts
plain_values = st.recursive(
    plain_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
