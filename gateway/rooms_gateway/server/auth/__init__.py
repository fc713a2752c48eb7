"""Authentication and authorization of callers by a policy.

Without a policy there is no authorizer, and all calls that reach a listener are allowed.
"""
