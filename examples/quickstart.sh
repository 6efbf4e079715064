#!/usr/bin/env bash
# The same walk as quickstart.py, with curl.
#
#     raftdoc dev                           # in another terminal
#     examples/quickstart.sh                # or: examples/quickstart.sh http://127.0.0.1:8101 http://127.0.0.1:8103
set -euo pipefail

first=${1:-http://127.0.0.1:8101}
last=${2:-http://127.0.0.1:8103}
orders=/v1/dbs/quickstart/collections/orders
json=(--header 'Content-Type: application/json')
curl=(curl --silent --show-error --fail-with-body --max-time 15)

say() { printf '\n# %s\n' "$*"; }

say "a database"
"${curl[@]}" -X PUT "$first/v1/dbs/quickstart"; echo

say "a document, written on one node ..."
"${curl[@]}" -X PUT "$first$orders/docs/42" "${json[@]}" --data '{"customer": "ada", "total": 9.5}'; echo

say "... and read on another"
etag=$("${curl[@]}" --include "$last$orders/docs/42" | tee /dev/stderr | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')

say "replaced only if it is still what was read"
"${curl[@]}" -X PUT "$last$orders/docs/42" "${json[@]}" --header "If-Match: $etag" --data '{"customer": "ada", "total": 12}'; echo

say "the second to try it is refused"
status=$(curl --silent --max-time 15 --write-out '\n%{http_code}' -X PUT "$first$orders/docs/42" "${json[@]}" \
    --header "If-Match: $etag" --data '{"customer": "ada", "total": 13}' | tee /dev/stderr | tail -1)
[[ $status == 412 ]]

say "many at once, a line each"
printf '{"_id": "a%d", "customer": "bob"}\n' 1 2 3 |
    "${curl[@]}" -X POST "$first$orders/docs?atomic=true" --header 'Content-Type: application/x-ndjson' \
        --header "Idempotency-Key: quickstart-$$-$RANDOM" --data-binary @-

say "a list"
"${curl[@]}" "$last$orders/docs?limit=2"; echo

say "the end of it"
"${curl[@]}" -X DELETE "$first/v1/dbs/quickstart"
say "done"
