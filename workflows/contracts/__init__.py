"""What one sends to a workflow or an activity and gets back."""
