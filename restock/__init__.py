"""Restock: back-in-stock alerts for Shopify stores.

This file must stay empty of imports: the first-run installer imports the package before anything is installed.
"""
