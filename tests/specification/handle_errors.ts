const response = await fetch("https://your-deployment.convex.site/v1/data/customer", {
  headers: { Authorization: "Bearer sk_dev_abc123" },
})
if (!response.ok) {
  const error = await response.json()
  switch (response.status) {
    case 401:
      throw new Error("Invalid API key")
    case 403:
      throw new Error("Missing data permission")
    case 404:
      throw new Error("Not found")
    case 429:
      const retryAfter = response.headers.get("Retry-After")
      throw new Error(`Rate limited, retry in ${retryAfter}s`)
    default:
      throw new Error(`Error: ${error.error}`)
  }
}
const data = await response.json()
