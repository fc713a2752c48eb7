"""Who may call what: a policy, the proofs of identity that it names, and the gate that asks both.

Without a policy there is no gate, and whoever reaches a listener may call everything.
"""
