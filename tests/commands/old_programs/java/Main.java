import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** Buys a number, waits for its code and prints it. */
public class Main {
    private static final String SITE = "https://hero-sms.com";

    static String call(String query) throws Exception {
        String key = System.getenv("SMS_KEY");
        URI uri = URI.create(SITE + "/stubs/handler_api.php" + "?api_key=" + key + "&" + query);
        HttpRequest request = HttpRequest.newBuilder(uri).build();
        return HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
    }

    public static void main(String[] arguments) throws Exception {
        String id = call("action=getNumber&service=tg&country=16").split(":")[1];
        String status = call("action=getStatus&id=" + id);
        while (status.equals("STATUS_WAIT_CODE")) {
            Thread.sleep(100);
            status = call("action=getStatus&id=" + id);
        }
        System.out.println("code: " + status.split(":")[1]);
        call("action=setStatus&status=6&id=" + id);
    }

    /** Never used by this program's own tests. */
    static String rent() throws Exception {
        return call("action=getRentNumber&service=tg&rent_time=4");
    }
}
