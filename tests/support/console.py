"""The console as its page's script uses it, and as others try to."""

import httpx

TOKEN = "a-token-of-the-operator"
API = "/console/api/v1"
OWN = {"X-Console": "1"}
HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>\u2028{{7*7}} code 4711"


def a_browser(app, host="localhost:8080"):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


async def activations(console):
    return (await console.get(f"{API}/activations")).json()["activations"]


async def summary(console):
    return (await console.get(f"{API}/summary")).json()


async def tried(console, **parameters):
    wish = {"parameters": {"api_key": "key", **parameters}}
    return (await console.post(f"{API}/try", json=wish)).json()
