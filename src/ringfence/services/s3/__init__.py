"""S3: buckets and objects. One file a noun; contents are blobs that the gateway moves before and after the handlers."""
