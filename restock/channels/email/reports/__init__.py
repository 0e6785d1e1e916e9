"""What is told later of e-mail: by providers' webhooks, and by messages that come back."""
