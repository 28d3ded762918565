curl -X POST https://your-deployment.convex.site/v1/data/customer/query \
  -H "Authorization: Bearer sk_dev_abc123" \
  -H "Content-Type: application/json" \
  -d '{
  "filters": {
    "plan": "pro",
    "age": { "$gte": 18 }
  },
  "limit": 10
}'
