curl "https://your-deployment.convex.site/v1/data/customer?limit=10&cursor=k17xyz..." \
  -H "Authorization: Bearer sk_dev_abc123"
