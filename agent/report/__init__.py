"""Documents about a campaign: reports, figures, exports, and what the page draws with them."""
