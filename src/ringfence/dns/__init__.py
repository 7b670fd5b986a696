"""The resolvers of VPCs and of the outside: answers from the model, never from elsewhere."""
