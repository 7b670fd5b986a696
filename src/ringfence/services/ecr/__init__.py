"""ECR: repositories, images, layers, the registry's tokens. One file a noun.

`docker push` and `docker pull` speak another protocol: gateway.registry turns it into these operations.
"""
