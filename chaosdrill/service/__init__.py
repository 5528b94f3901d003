"""The number of running tasks of the application's services (ECS)."""
