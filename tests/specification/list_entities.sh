curl "https://your-deployment.convex.site/v1/data/customer?limit=10" \
  -H "Authorization: Bearer sk_dev_abc123"
