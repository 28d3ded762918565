curl -X POST https://your-deployment.convex.site/v1/data/customer/search \
  -H "Authorization: Bearer sk_dev_abc123" \
  -H "Content-Type: application/json" \
  -d '{ "query": "jane", "limit": 10 }'
