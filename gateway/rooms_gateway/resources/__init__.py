"""The Communication Services resources of a gateway: opened, replaced and closed one by one."""
