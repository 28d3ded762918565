curl -X PATCH https://your-deployment.convex.site/v1/data/customer/k17abc... \
  -H "Authorization: Bearer sk_dev_abc123" \
  -H "Content-Type: application/json" \
  -d '{
  "data": { "plan": "enterprise" }
}'
