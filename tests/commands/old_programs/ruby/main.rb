# Buys a number, waits for its code and prints it.
require "net/http"
require "uri"

API = URI("https://api.grizzlysms.com/stubs/handler_api.php")

def call(parameters)
  uri = API.dup
  uri.query = URI.encode_www_form({ api_key: ENV["SMS_KEY"] }.merge(parameters))
  Net::HTTP.get(uri)
end

id = call(action: "getNumber", service: "tg", country: 16).split(":")[1]
sleep 0.1 while (status = call(action: "getStatus", id: id)) == "STATUS_WAIT_CODE"
puts "code: #{status.split(":")[1]}"
call(action: "setStatus", id: id, status: 6)
