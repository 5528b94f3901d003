"""The stop flag, which closes the application in a region: an item of a DynamoDB table there."""
