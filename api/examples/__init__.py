"""Examples of the document: what the fields of requests and answers look like, in one story.

An insurer takes in claims: a flow reads the report of a claim, a person reviews what it found, and
a workflow talks to whoever reported it.
"""
