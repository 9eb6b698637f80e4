#!/bin/sh
# Buys a number, waits for its code and prints it.
set -eu
. ./settings.env

call() {
  curl -s "https://$SMS_HOST/stubs/handler_api.php?api_key=$SMS_KEY&$1"
}

id=$(call "action=getNumber&service=tg&country=16" | cut -d: -f2)
while status=$(call "action=getStatus&id=$id") && [ "$status" = STATUS_WAIT_CODE ]; do
  sleep 0.1
done
echo "code: ${status#STATUS_OK:}"
call "action=setStatus&id=$id&status=6" > finished
