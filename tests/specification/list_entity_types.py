import requests

response = requests.get(
    "https://your-deployment.convex.site/v1/entity-types",
    headers={"Authorization": "Bearer sk_dev_abc123"},
)

types = response.json()["data"]
for t in types:
    print(f"{t['slug']}: {t['name']}")
