"""Every query on deliveries, by use case. Each arrow of the state machine is one conditional UPDATE.

Locks are taken in the order deliveries, offers, event, subscriptions, lane; keep to it in every new statement.
"""
