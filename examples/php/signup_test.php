<?php
// Run it with `php signup_test.php`. SANDBOX_URL is a sandbox that runs already; without it, one is
// started. In PHPUnit, start() belongs in setUpBeforeClass(), and reset_sandbox() in setUp().

function start(): string
{
    global $sandbox, $pipes;
    $command = ['virtualsms-proxy', 'sandbox', '--port', '0', '--sms-after', '1e9', '--end-with-stdin'];
    $sandbox = proc_open($command, [['pipe', 'r'], ['pipe', 'w']], $pipes);
    while (($line = fgets($pipes[1])) !== false) {
        if (preg_match('~http://[\d.]+:\d+~', $line, $found)) {
            return $found[0];
        }
    }
    throw new RuntimeException('the sandbox did not start');
}

function http(string $url, ?array $body = null): string
{
    $post = ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => json_encode($body)];
    $context = stream_context_create(['http' => $body === null ? [] : $post]);
    $answer = file_get_contents($url, false, $context);
    return $answer === false ? throw new RuntimeException("no answer: $url") : $answer;
}

function control(string $path, ?array $body = null): array
{
    global $url;
    return json_decode(http("$url/sandbox/$path", $body), true);
}

function reset_sandbox(): void
{
    static $seed = 0;
    control('reset', ['seed' => ++$seed, 'report' => true]);
}

// The program under test.
function ask(array $parameters): string
{
    global $url;
    return http("$url/stubs/handler_api.php?" . http_build_query(['api_key' => 'sandbox'] + $parameters));
}

function same(mixed $expected, mixed $found): void
{
    $expected === $found || throw new RuntimeException("$found instead of $expected");
}

$tests = [
    'the code is read from the SMS' => function (): void {
        [, $id, $phone] = explode(':', ask(['action' => 'getNumber', 'service' => 'tg', 'country' => 16]));
        control('sms', ['phone' => $phone, 'text' => 'Your code is 4711']);
        same('STATUS_OK:4711', ask(['action' => 'getStatus', 'id' => $id]));
    },
    'a number without an SMS is refunded' => function (): void {
        [, $id] = explode(':', ask(['action' => 'getNumber', 'service' => 'tg', 'country' => 16]));
        control('clock', ['seconds' => 20 * 60]);
        same('STATUS_CANCEL', ask(['action' => 'getStatus', 'id' => $id]));
        same(0, control('ledger')['totals']['spent']);
    },
];

$url = getenv('SANDBOX_URL') ?: start();
foreach ($tests as $name => $test) {
    reset_sandbox();
    $test();
    echo "ok: $name\n";
}
