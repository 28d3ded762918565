import requests

response = requests.post(
    "https://your-deployment.convex.site/v1/data/customer",
    headers={
        "Authorization": "Bearer sk_dev_abc123",
        "Content-Type": "application/json",
    },
    json={
        "data": {
            "name": "Jane Doe",
            "email": "jane@example.com",
            "plan": "pro",
        }
    },
)
customer = response.json()
print(f"Created: {customer['id']}")
