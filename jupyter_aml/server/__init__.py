"""The Jupyter server extension: keeps the workspace's service up and fronts it for the browser.

It holds no data and decides nothing about runs. It adds what the service cannot know: who is logged in to
this Jupyter server, what its authorizer lets them do, and where its notebooks lie.
"""
