"""The stop flag: closes the application in a region. An item of a DynamoDB table there."""
