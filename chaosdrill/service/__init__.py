"""How many tasks of the application's services run (ECS)."""
