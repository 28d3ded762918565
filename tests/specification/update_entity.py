import requests

response = requests.patch(
    "https://your-deployment.convex.site/v1/data/customer/k17abc...",
    headers={
        "Authorization": "Bearer sk_dev_abc123",
        "Content-Type": "application/json",
    },
    json={"data": {"plan": "enterprise"}},
)
updated = response.json()
print(f"Updated plan: {updated['data']['plan']}")
