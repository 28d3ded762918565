const response = await fetch(
  "https://your-deployment.convex.site/v1/data/customer/k17abc...",
  { headers: { Authorization: "Bearer sk_dev_abc123" } }
)
const customer = await response.json()
console.log(customer.data.name)
