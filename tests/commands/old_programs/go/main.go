// Buys a number, waits for its code and prints it.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const host = "api.tiger-sms.com"

func call(values url.Values) string {
	values.Set("api_key", os.Getenv("SMS_KEY"))
	answer, err := http.Get(fmt.Sprintf("https://%s/stubs/handler_api.php?%s", host, values.Encode()))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

func main() {
	number := call(url.Values{"action": {"getNumber"}, "service": {"tg"}, "country": {"16"}})
	id := strings.Split(number, ":")[1]
	for {
		status := call(url.Values{"action": {"getStatus"}, "id": {id}})
		if status != "STATUS_WAIT_CODE" {
			fmt.Println("code:", strings.Split(status, ":")[1])
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	call(url.Values{"action": {"setStatus"}, "id": {id}, "status": {"6"}})
}
