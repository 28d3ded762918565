curl https://your-deployment.convex.site/v1/entity-types \
  -H "Authorization: Bearer sk_dev_abc123"
