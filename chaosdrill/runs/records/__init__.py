"""The records of a stored run: tables of requests and beats, raw or as Parquet, and their verification."""
