"""What a model's weights are multiplied by when it runs on samples of its data."""
