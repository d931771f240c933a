"""The review page: a campaign's archive in a browser, on this machine alone."""
