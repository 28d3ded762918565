const response = await fetch(
  "https://your-deployment.convex.site/v1/data/customer/search",
  {
    method: "POST",
    headers: {
      Authorization: "Bearer sk_dev_abc123",
      "Content-Type": "application/json",
    },
    body: JSON.stringify({ query: "jane", limit: 10 }),
  }
)
const { data } = await response.json()
data.forEach((customer: any) => console.log(customer.data.name))
