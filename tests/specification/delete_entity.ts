const response = await fetch(
  "https://your-deployment.convex.site/v1/data/customer/k17abc...",
  {
    method: "DELETE",
    headers: { Authorization: "Bearer sk_dev_abc123" },
  }
)
const result = await response.json()
console.log(result.success)
