"""What a campaign found, in numbers, figures and words that the page, the report and the terminal share."""
