using System;
using System.Net.Http;
using System.Threading;

// Buys a number, waits for its code and prints it.
class Program
{
    const string Host = "http://sms-activate.ru/";
    static readonly HttpClient http = new HttpClient();

    static string Call(string query)
    {
        string key = Environment.GetEnvironmentVariable("SMS_KEY");
        string url = Host + "stubs/handler_api.php" + "?api_key=" + key + "&" + query;
        return http.GetStringAsync(url).Result;
    }

    static void Main()
    {
        string id = Call("action=getNumber&service=tg&country=16").Split(':')[1];
        string status;
        while ((status = Call("action=getStatus&id=" + id)) == "STATUS_WAIT_CODE")
        {
            Thread.Sleep(100);
        }
        Console.WriteLine("code: " + status.Split(':')[1]);
        Call("action=setStatus&status=6&id=" + id);
    }
}
