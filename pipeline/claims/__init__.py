"""The ledger of claims: what the paper says, as data, and whether the results of this project confirm it.

No module of this folder imports pandas, scipy or matplotlib when it is loaded; see pipeline/results.
"""
