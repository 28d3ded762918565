import requests
import time

response = requests.get(
    "https://your-deployment.convex.site/v1/data/customer",
    headers={"Authorization": "Bearer sk_dev_abc123"},
)

if response.status_code == 429:
    retry_after = int(response.headers.get("Retry-After", 5))
    time.sleep(retry_after)
elif response.status_code == 401:
    raise Exception("Invalid API key")
elif response.status_code == 403:
    raise Exception("API key lacks data permission")
elif response.status_code >= 400:
    raise Exception(f"Error: {response.json()['error']}")

data = response.json()
