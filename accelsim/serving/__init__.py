"""Language models as they are served: requests, a policy, a table of layer times; what each request waits for."""
