import requests

response = requests.post(
    "https://your-deployment.convex.site/v1/data/customer/query",
    headers={
        "Authorization": "Bearer sk_dev_abc123",
        "Content-Type": "application/json",
    },
    json={
        "filters": {"plan": "pro", "age": {"$gte": 18}},
        "limit": 10,
    },
)
result = response.json()
for customer in result["data"]:
    print(customer["data"]["name"])
