<?php
// Acheté en 2021, en roubles.
class Hub
{
    const URL = 'http://smshub.org/stubs/handler_api.php';

    function call(array $fields)
    {
        $curl = curl_init(self::URL);
        $fields['api_key'] = getenv('SMS_KEY') ?: 'a-key-of-2021';
        curl_setopt($curl, CURLOPT_POSTFIELDS, http_build_query($fields));
        curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
        return curl_exec($curl);
    }
}

$hub = new Hub();
$order = ['action' => 'getNumber', 'service' => 'tg', 'country' => 16, 'currency' => 643];
$id = explode(":", $hub->call($order))[1];
do {
    usleep(100000);
    $status = $hub->call(['action' => 'getStatus', 'id' => $id]);
} while ($status === "STATUS_WAIT_CODE");
echo "code: ", explode(":", $status)[1], "\n";
$hub->call(['action' => 'setStatus', 'id' => $id, 'status' => 6]);
