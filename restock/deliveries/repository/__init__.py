"""Every query on deliveries, by use case. Each arrow of the state machine is one conditional UPDATE.

Locks are taken in the order contacts, deliveries, days and paces of text messages, offers, event, subscriptions, lane;
keep to it in every new statement.
"""
