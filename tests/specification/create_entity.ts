const response = await fetch("https://your-deployment.convex.site/v1/data/customer", {
  method: "POST",
  headers: {
    Authorization: "Bearer sk_dev_abc123",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    data: { name: "Jane Doe", email: "jane@example.com", plan: "pro" },
  }),
})
const customer = await response.json()
console.log(`Created: ${customer.id}`)
