"""What people would use instead, as contenders: a module each, installed into the cache, given the same entities."""
