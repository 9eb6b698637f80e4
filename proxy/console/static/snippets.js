// One request as the languages of programs say it. The address is URL-encoded: it has no quotes,
// backslashes or dollar signs to escape.

export const LANGUAGES = {
  address: "Address",
  curl: "curl",
  python: "Python",
  node: "Node",
  php: "PHP",
  go: "Go",
};

const WRITERS = {
  address: (url) => url,
  curl: (url) => `curl '${url}'`,
  python: (url) => `import urllib.request

url = "${url}"
print(urllib.request.urlopen(url, timeout=15).read().decode())`,
  node: (url) => `const url = "${url}";
console.log(await (await fetch(url, { signal: AbortSignal.timeout(15000) })).text());`,
  php: (url) => `<?php
$url = '${url}';
$context = stream_context_create(['http' => ['timeout' => 15]]);
echo file_get_contents($url, false, $context);`,
  go: (url) => `package main

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

func main() {
	client := http.Client{Timeout: 15 * time.Second}
	answer, err := client.Get("${url}")
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(body))
}`,
};

export const snippet = (language, url) => WRITERS[language](url);
