curl -X POST https://your-deployment.convex.site/v1/data/customer \
  -H "Authorization: Bearer sk_dev_abc123" \
  -H "Content-Type: application/json" \
  -d '{
  "data": {
    "name": "Jane Doe",
    "email": "jane@example.com",
    "plan": "pro"
  }
}'
