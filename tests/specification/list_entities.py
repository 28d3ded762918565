import requests

BASE = "https://your-deployment.convex.site"
HEADERS = {"Authorization": "Bearer sk_dev_abc123"}

all_customers = []
cursor = None
while True:
    params = {"limit": 50}
    if cursor:
        params["cursor"] = cursor
    response = requests.get(f"{BASE}/v1/data/customer", headers=HEADERS, params=params)
    result = response.json()
    all_customers.extend(result["data"])
    if not result["hasMore"]:
        break
    cursor = result["cursor"]

print(f"Total: {len(all_customers)}")
